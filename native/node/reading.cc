#include "node/reading.h"

#include <algorithm>
#include <cstring>

#include "frames/frame_readers.h"
#include "frames/frame_record.h"
#include "node/convert.h"

namespace sentinel {
namespace {

// attachRecords(records: Int32Array, progress: Int32Array), once
Napi::Value AttachRecords(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Environment& environment = Environment::Of(env);
  if (info.Length() < 2 || !info[0].IsTypedArray() || !info[1].IsTypedArray()) {
    ThrowMisuse(env, "attachRecords: wrong arguments");
    return {};
  }
  auto records = info[0].As<Napi::Int32Array>();
  auto progress = info[1].As<Napi::Int32Array>();
  if (progress.ElementLength() < FrameProgress::kWords || records.ElementLength() < FrameRecord::kWords ||
      !environment.attached.empty()) {
    ThrowMisuse(env, "attachRecords: sizes do not fit, or they are attached already");
    return {};
  }
  environment.records = records.Data();
  environment.record_capacity = records.ElementLength() / FrameRecord::kWords;
  environment.progress = progress.Data();
  for (Napi::Object object : {records.As<Napi::Object>(), progress.As<Napi::Object>()}) {
    environment.attached.push_back(Napi::Persistent(object));
  }
  return env.Undefined();
}

// attachWindow(bytes: Uint8Array): in place of the one before, which is not written to any more
Napi::Value AttachWindow(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Environment& environment = Environment::Of(env);
  if (info.Length() < 1 || !info[0].IsTypedArray()) {
    ThrowMisuse(env, "attachWindow: wrong arguments");
    return {};
  }
  auto bytes = info[0].As<Napi::Uint8Array>();
  // Records hold positions in 32 bits.
  if (environment.progress == nullptr || bytes.ElementLength() > INT32_MAX ||
      !environment.window->Attach(bytes.Data(), bytes.ElementLength())) {
    ThrowMisuse(env, "attachWindow: the size does not fit");
    return {};
  }
  environment.attached_window = Napi::Persistent(bytes.As<Napi::Object>());
  environment.progress[FrameProgress::kGiven] = 0;
  return env.Undefined();
}

// A larger window must be attached first.
constexpr double kNoRoom = -1;
constexpr std::size_t kLeastReadBytes = kReadBytes / 2;

// Ends a step of a stream: says what it came to, and takes the reader back if it keeps nothing. `reader` is null
// where the stream is not open.
double Report(Environment& environment, std::size_t stream, const FrameReader* reader,
              const FrameReader::Progress& progress, std::size_t records, std::int32_t received) {
  std::int32_t* const words = environment.progress;
  words[FrameProgress::kTextBegin] = static_cast<std::int32_t>(progress.text_begin);
  words[FrameProgress::kTextEnd] = static_cast<std::int32_t>(progress.text_end);
  words[FrameProgress::kMore] = progress.more ? 1 : 0;
  words[FrameProgress::kCarried] =
      reader == nullptr || progress.more ? 0 : static_cast<std::int32_t>(reader->carried());
  words[FrameProgress::kReceived] = received;
  if (!progress.more) environment.readers.Settle(stream);
  return static_cast<double>(records);
}

// Where the next bytes of a stream go. Of size 0 where there is no room, as in a window that messages have.
FrameReader::Room Prepare(const Environment& environment, FrameReader& reader, std::size_t least) {
  if (environment.progress[FrameProgress::kGiven] != 0) return {};
  return reader.Prepare(least);
}

double NoRoom(Environment& environment, const FrameReader& reader) {
  environment.progress[FrameProgress::kCarried] = static_cast<std::int32_t>(reader.carried());
  return kNoRoom;
}

double TakeBytes(Environment& environment, std::size_t stream, FrameReader& reader, std::size_t size) {
  RecordSink sink(environment.records, environment.record_capacity);
  const FrameReader::Progress progress = reader.Push(size, environment.scanner, sink);
  return Report(environment, stream, &reader, progress, sink.count(), static_cast<std::int32_t>(size));
}

// openReader(descriptor, maxLineBytes): before the first read
Napi::Value OpenReader(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Environment& environment = Environment::Of(env);
  if (info.Length() < 2 || !info[0].IsNumber() || ToSize(info[1]) == 0 || environment.progress == nullptr) {
    ThrowMisuse(env, "openReader: wrong arguments, or no records are attached");
    return {};
  }
  environment.readers.Open(ToSize(info[0]), ToSize(info[1]));
  return env.Undefined();
}

// closeReader(descriptor): before the number is used again
Napi::Value CloseReader(const Napi::CallbackInfo& info) {
  Environment::Of(info.Env()).readers.Close(ToSize(info[0]));
  return info.Env().Undefined();
}

// The following answer the number of records, or kNoRoom; `progress` says more, as FrameProgress has it.

// readRecords(descriptor): of what has arrived
Napi::Value ReadRecordsFromScript(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsNumber()) {
    ThrowMisuse(env, "readRecords: wrong arguments");
    return {};
  }
  return Napi::Number::New(env, ReadRecords(Environment::Of(env), ToSize(info[0]), kReadBytes).records);
}

// pushRecords(descriptor, bytes: Uint8Array, size): of bytes that the event loop has read
Napi::Value PushRecords(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Environment& environment = Environment::Of(env);
  if (info.Length() < 3 || !info[1].IsTypedArray()) {
    ThrowMisuse(env, "pushRecords: wrong arguments");
    return {};
  }
  const auto bytes = info[1].As<Napi::Uint8Array>();
  const std::size_t size = std::min(ToSize(info[2]), bytes.ElementLength());
  const std::size_t stream = ToSize(info[0]);
  FrameReader* const reader = environment.readers.Of(stream);
  if (reader == nullptr || size == 0) return Napi::Number::New(env, Report(environment, stream, reader, {}, 0, 0));
  const FrameReader::Room room = Prepare(environment, *reader, size);
  if (room.size == 0) return Napi::Number::New(env, NoRoom(environment, *reader));
  std::memcpy(environment.window->bytes + room.begin, bytes.Data(), size);
  return Napi::Number::New(env, TakeBytes(environment, stream, *reader, size));
}

// moreRecords(descriptor): when progress says so
Napi::Value MoreRecords(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const std::size_t stream = ToSize(info[0]);
  FrameReader* const reader = environment.readers.Of(stream);
  if (reader == nullptr) return Napi::Number::New(info.Env(), Report(environment, stream, nullptr, {}, 0, 0));
  if (reader->suspended() && Prepare(environment, *reader, 1).size == 0)
    return Napi::Number::New(info.Env(), NoRoom(environment, *reader));
  RecordSink sink(environment.records, environment.record_capacity);
  const FrameReader::Progress progress = reader->Continue(environment.scanner, sink);
  return Napi::Number::New(info.Env(), Report(environment, stream, reader, progress, sink.count(), 0));
}

// suspendRecords(descriptor): keeps what is left of the last read for a later moreRecords
Napi::Value SuspendRecords(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const std::size_t stream = ToSize(info[0]);
  FrameReader* const reader = environment.readers.Of(stream);
  if (reader != nullptr && environment.progress[FrameProgress::kMore] == 1) reader->Suspend();
  Report(environment, stream, reader, {}, 0, 0);
  return info.Env().Undefined();
}

// finishRecords(descriptor): of what an ended stream has left
Napi::Value FinishRecords(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const std::size_t stream = ToSize(info[0]);
  FrameReader* const reader = environment.readers.Of(stream);
  if (reader == nullptr) return Napi::Number::New(info.Env(), Report(environment, stream, nullptr, {}, 0, 0));
  if (Prepare(environment, *reader, 1).size == 0)
    return Napi::Number::New(info.Env(), NoRoom(environment, *reader));
  RecordSink sink(environment.records, environment.record_capacity);
  const FrameReader::Progress progress = reader->Finish(environment.scanner, sink);
  return Napi::Number::New(info.Env(), Report(environment, stream, reader, progress, sink.count(), 0));
}

}  // namespace

RecordsRead ReadRecords(Environment& environment, std::size_t stream, std::size_t most) {
  FrameReader* const reader = environment.readers.Of(stream);
  if (reader == nullptr) return {Report(environment, stream, nullptr, {}, 0, FrameProgress::kNothing), false, true};
  const FrameReader::Room room = Prepare(environment, *reader, kLeastReadBytes);
  if (room.size == 0) return {NoRoom(environment, *reader)};
  // Where lines are long, as much as there is: each end of a read within one may cost a copy.
  const std::size_t carried = reader->carried();
  const std::size_t wanted = carried < kLeastReadBytes ? std::min(room.size, std::max(most, carried)) : room.size;
  Result<std::size_t> size =
      ReadNow(FromLoopNumber(static_cast<int>(stream)), environment.window->bytes + room.begin, wanted);
  if (size.ok()) return {TakeBytes(environment, stream, *reader, size.value()), size.value() == wanted};
  const bool nothing = size.failure().kind == FailureKind::kWouldBlock;
  const std::int32_t received = nothing ? FrameProgress::kNothing : -size.failure().code;
  return {Report(environment, stream, reader, {}, 0, received), false, nothing};
}

void DefineReading(Napi::Env env, Napi::Object exports) {
  exports.Set("attachRecords", Napi::Function::New<AttachRecords>(env, "attachRecords"));
  exports.Set("attachWindow", Napi::Function::New<AttachWindow>(env, "attachWindow"));
  exports.Set("openReader", Napi::Function::New<OpenReader>(env, "openReader"));
  exports.Set("closeReader", Napi::Function::New<CloseReader>(env, "closeReader"));
  exports.Set("readRecords", Napi::Function::New<ReadRecordsFromScript>(env, "readRecords"));
  exports.Set("pushRecords", Napi::Function::New<PushRecords>(env, "pushRecords"));
  exports.Set("moreRecords", Napi::Function::New<MoreRecords>(env, "moreRecords"));
  exports.Set("suspendRecords", Napi::Function::New<SuspendRecords>(env, "suspendRecords"));
  exports.Set("finishRecords", Napi::Function::New<FinishRecords>(env, "finishRecords"));
}

}  // namespace sentinel
