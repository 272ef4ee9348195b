#include "node_frames.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "frame_layout.h"
#include "frame_reader.h"
#include "node_convert.h"
#include "node_environment.h"

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

double Report(Environment& environment, const FrameReader* reader, const FrameReader::Progress& progress,
              std::size_t records, std::int32_t received) {
  std::int32_t* const words = environment.progress;
  words[FrameProgress::kTextBegin] = static_cast<std::int32_t>(progress.text_begin);
  words[FrameProgress::kTextEnd] = static_cast<std::int32_t>(progress.text_end);
  words[FrameProgress::kMore] = progress.more ? 1 : 0;
  words[FrameProgress::kCarried] =
      reader == nullptr || progress.more ? 0 : static_cast<std::int32_t>(reader->carried());
  words[FrameProgress::kReceived] = received;
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
  const double records = Report(environment, &reader, progress, sink.count(), static_cast<std::int32_t>(size));
  if (!progress.more) environment.readers.Settle(stream);
  return records;
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

// readRecords(descriptor, maxMicroseconds): of what has arrived, or arrives in that time
Napi::Value ReadRecordsFromScript(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsNumber() || !info[1].IsNumber()) {
    ThrowMisuse(env, "readRecords: wrong arguments");
    return {};
  }
  const RecordsRead read =
      ReadRecords(Environment::Of(env), ToSize(info[0]), kReadBytes, info[1].As<Napi::Number>().Uint32Value());
  return Napi::Number::New(env, read.records);
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
  if (reader == nullptr || size == 0) return Napi::Number::New(env, Report(environment, reader, {}, 0, 0));
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
  if (reader == nullptr) return Napi::Number::New(info.Env(), Report(environment, nullptr, {}, 0, 0));
  RecordSink sink(environment.records, environment.record_capacity);
  const FrameReader::Progress progress = reader->Continue(environment.scanner, sink);
  const double records = Report(environment, reader, progress, sink.count(), 0);
  if (!progress.more) environment.readers.Settle(stream);
  return Napi::Number::New(info.Env(), records);
}

// finishRecords(descriptor): of what an ended stream has left
Napi::Value FinishRecords(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  FrameReader* const reader = environment.readers.Of(ToSize(info[0]));
  if (reader == nullptr) return Napi::Number::New(info.Env(), Report(environment, nullptr, {}, 0, 0));
  if (Prepare(environment, *reader, 1).size == 0)
    return Napi::Number::New(info.Env(), NoRoom(environment, *reader));
  RecordSink sink(environment.records, environment.record_capacity);
  const FrameReader::Progress progress = reader->Finish(environment.scanner, sink);
  return Napi::Number::New(info.Env(), Report(environment, reader, progress, sink.count(), 0));
}

// Whether a record is of a message whose payload is all that follows its key, up to the closing brace: text that
// was given as a payload must not bring other keys along.
bool IsMessageAlone(const std::uint8_t* bytes, const std::int32_t* record) {
  if (record[FrameRecord::kState] != static_cast<std::int32_t>(LineState::kMessage)) return false;
  const std::int32_t payload_end = record[FrameRecord::kPayloadEnd];
  if (payload_end == record[FrameRecord::kPayloadStart]) return true;
  return std::all_of(bytes + payload_end, bytes + record[FrameRecord::kLineEnd] - 1,
                     [](std::uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\r'; });
}

// layOutFrames(bytes: Uint8Array, begin, text, ascii, words: Int32Array, count) → where the frames end. `words`
// describes them as FrameLayout has it. `ascii`: the text is known to be.
Napi::Value LayOutFramesFromScript(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 5 || !info[0].IsTypedArray() || !info[2].IsString() || !info[3].IsTypedArray()) {
    ThrowMisuse(env, "layOutFrames: wrong arguments");
    return {};
  }
  auto bytes = info[0].As<Napi::Uint8Array>();
  const auto words = info[3].As<Napi::Int32Array>();
  const std::size_t begin = ToSize(info[1]);
  const std::size_t count = ToSize(info[4]);
  const std::size_t capacity = bytes.ElementLength();
  const std::size_t text_begin = begin + count * FrameLayout::kEnvelopeBytes;
  if (words.ElementLength() < count * FrameLayout::kWords || text_begin >= capacity) {
    ThrowMisuse(env, "layOutFrames: sizes do not fit");
    return {};
  }
  char* const text = reinterpret_cast<char*>(bytes.Data() + text_begin);
  const std::size_t room = capacity - text_begin;
  std::size_t units = 0;
  std::size_t size = 0;
  // What does not fit would be cut short without a word. A unit takes at most three bytes, and the text ends in a
  // NUL.
  if (napi_get_value_string_utf16(env, info[2], nullptr, 0, &units) != napi_ok || room <= units * 3 ||
      napi_get_value_string_utf8(env, info[2], text, room, &size) != napi_ok) {
    ThrowMisuse(env, "layOutFrames: the text does not fit");
    return {};
  }
  const std::size_t end =
      LayOutFrames(bytes.Data(), begin, text_begin, text_begin + size, units, words.Data(), count);
  return Napi::Number::New(env, static_cast<double>(end));
}

// checkFrames(bytes: Uint8Array, begin, end, maxLineBytes) → the number of messages, or -1 if any line is not one
// as our encoder writes it, with the payload last. The last line must end in a newline too.
Napi::Value CheckFrames(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 4 || !info[0].IsTypedArray()) {
    ThrowMisuse(env, "checkFrames: wrong arguments");
    return {};
  }
  const auto bytes = info[0].As<Napi::Uint8Array>();
  const std::size_t end = std::min(ToSize(info[2]), bytes.ElementLength());
  const std::size_t start = std::min(ToSize(info[1]), end);
  const std::size_t max_line_bytes = ToSize(info[3]);
  const std::uint8_t* data = bytes.Data() + start;
  const std::size_t size = end - start;
  if (size == 0) return Napi::Number::New(env, 0);
  // Records hold positions in 32 bits.
  if (size > INT32_MAX || data[size - 1] != '\n') return Napi::Number::New(env, -1);

  std::array<std::int32_t, 64 * FrameRecord::kWords> words;
  double messages = 0;
  for (std::size_t begin = 0; begin < size;) {
    RecordSink sink(words.data(), words.size() / FrameRecord::kWords);
    begin = Environment::Of(env).scanner.Scan(data, begin, size, max_line_bytes, sink);
    for (std::size_t i = 0; i < sink.count(); ++i) {
      if (!IsMessageAlone(data, words.data() + i * FrameRecord::kWords)) return Napi::Number::New(env, -1);
    }
    messages += static_cast<double>(sink.count());
  }
  return Napi::Number::New(env, messages);
}

// writeBatch(descriptor, bytes: Uint8Array, begin, end) → bytes written, or a negative error number
Napi::Value WriteBatchFromScript(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 4 || !info[0].IsNumber() || !info[1].IsTypedArray()) {
    ThrowMisuse(env, "writeBatch: wrong arguments");
    return {};
  }
  const auto bytes = info[1].As<Napi::Uint8Array>();
  const std::size_t end = std::min(ToSize(info[3]), bytes.ElementLength());
  const std::size_t begin = std::min(ToSize(info[2]), end);
  const Descriptor descriptor = FromLoopNumber(info[0].As<Napi::Number>().Int32Value());
  Result<std::size_t> written = WriteBatch(descriptor, bytes.Data() + begin, end - begin);
  if (!written.ok()) return Napi::Number::New(env, -written.failure().code);
  return Napi::Number::New(env, static_cast<double>(written.value()));
}

}  // namespace

RecordsRead ReadRecords(Environment& environment, std::size_t stream, std::size_t most,
                        std::uint32_t max_microseconds) {
  FrameReader* const reader = environment.readers.Of(stream);
  if (reader == nullptr) return {Report(environment, nullptr, {}, 0, FrameProgress::kNothing), false, true};
  const FrameReader::Room room = Prepare(environment, *reader, kLeastReadBytes);
  if (room.size == 0) return {NoRoom(environment, *reader)};
  // Where lines are long, as much as there is: each end of a read within one may cost a copy.
  const std::size_t carried = reader->carried();
  const std::size_t wanted = carried < kLeastReadBytes ? std::min(room.size, std::max(most, carried)) : room.size;
  Result<std::size_t> size = ReadNow(FromLoopNumber(static_cast<int>(stream)),
                                     environment.window->bytes + room.begin, wanted, max_microseconds);
  if (size.ok()) return {TakeBytes(environment, stream, *reader, size.value()), size.value() == wanted};
  const bool nothing = size.failure().kind == FailureKind::kWouldBlock;
  const std::int32_t received = nothing ? FrameProgress::kNothing : -size.failure().code;
  const double none = Report(environment, reader, {}, 0, received);
  environment.readers.Settle(stream);
  return {none, false, nothing};
}

void DefineFrames(Napi::Env env, Napi::Object exports) {
  exports.Set("attachRecords", Napi::Function::New<AttachRecords>(env, "attachRecords"));
  exports.Set("attachWindow", Napi::Function::New<AttachWindow>(env, "attachWindow"));
  exports.Set("layOutFrames", Napi::Function::New<LayOutFramesFromScript>(env, "layOutFrames"));
  exports.Set("openReader", Napi::Function::New<OpenReader>(env, "openReader"));
  exports.Set("closeReader", Napi::Function::New<CloseReader>(env, "closeReader"));
  exports.Set("readRecords", Napi::Function::New<ReadRecordsFromScript>(env, "readRecords"));
  exports.Set("pushRecords", Napi::Function::New<PushRecords>(env, "pushRecords"));
  exports.Set("moreRecords", Napi::Function::New<MoreRecords>(env, "moreRecords"));
  exports.Set("finishRecords", Napi::Function::New<FinishRecords>(env, "finishRecords"));
  exports.Set("checkFrames", Napi::Function::New<CheckFrames>(env, "checkFrames"));
  exports.Set("writeBatch", Napi::Function::New<WriteBatchFromScript>(env, "writeBatch"));
}

}  // namespace sentinel
