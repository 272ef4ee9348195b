#include "node/reading.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "frames/frame_readers.h"
#include "frames/frame_record.h"

namespace sentinel {
namespace {

constexpr std::size_t kLeastReadBytes = kReadBytes / 2;

// attachRecords(records: Int32Array, progress: Int32Array), once
Value AttachRecords(const Invocation& call) {
  RecordMemory& memory = Environment::Of(call.env()).memory;
  const std::optional<View<std::int32_t>> records = call[0].ToView<std::int32_t>();
  const std::optional<View<std::int32_t>> progress = call[1].ToView<std::int32_t>();
  if (!records.has_value() || !progress.has_value()) {
    ThrowMisuse(call.env(), "attachRecords: wrong arguments");
    return {};
  }
  if (progress->size < FrameProgress::kWords || records->size < FrameRecord::kWords || memory.progress != nullptr) {
    ThrowMisuse(call.env(), "attachRecords: the sizes do not fit, or records are attached already");
    return {};
  }
  memory = {records->data,      records->size / FrameRecord::kWords,
            progress->data,     nullptr,
            Reference(call[0]), Reference(call[1]),
            Reference()};
  return {};
}

// attachFieldRows(rows: Int32Array): once, before the first openReader with fields
Value AttachFieldRows(const Invocation& call) {
  RecordMemory& memory = Environment::Of(call.env()).memory;
  const std::optional<View<std::int32_t>> rows = call[0].ToView<std::int32_t>();
  constexpr std::size_t kMostWords = FieldWord::kFirst + FieldWord::kMost * FieldWord::kEach;
  if (!rows.has_value() || memory.progress == nullptr || memory.rows != nullptr ||
      rows->size < memory.record_capacity * kMostWords) {
    ThrowMisuse(call.env(), "attachFieldRows: wrong arguments, no records are attached, or rows are already");
    return {};
  }
  memory.rows = rows->data;
  memory.kept_rows = Reference(call[0]);
  return {};
}

// attachWindow(bytes: Uint8Array): replaces the previous window, which is no longer written to
Value AttachWindow(const Invocation& call) {
  Environment& environment = Environment::Of(call.env());
  const std::optional<View<std::uint8_t>> bytes = call[0].ToView<std::uint8_t>();
  if (!bytes.has_value()) {
    ThrowMisuse(call.env(), "attachWindow: wrong arguments");
    return {};
  }
  // Records hold positions in 32 bits.
  if (environment.memory.progress == nullptr || bytes->size > INT32_MAX ||
      !environment.window->Attach(bytes->data, bytes->size)) {
    ThrowMisuse(call.env(), "attachWindow: the size does not fit");
    return {};
  }
  environment.kept_window = Reference(call[0]);
  environment.memory.progress[FrameProgress::kGiven] = 0;
  return {};
}

// The outcome of one step of a stream.
struct Step {
  FrameReader::Progress progress;
  std::size_t records = 0;
  std::size_t refused = 0;
  std::int32_t received = 0;
};

void NoteTurn(const Environment& environment) {
  environment.memory.progress[FrameProgress::kTurnOver] = environment.turn.over() ? 1 : 0;
}

// Ends a step: writes its outcome to FrameProgress, and takes the reader back if it keeps nothing. `reader` is null
// if the stream is not open.
std::int32_t Report(Environment& environment, std::size_t stream, const FrameReader* reader, const Step& step) {
  std::int32_t* const words = environment.memory.progress;
  if (words == nullptr) return 0;  // nothing is attached yet, so no stream is open
  const bool more = step.progress.more;
  words[FrameProgress::kTextBegin] = static_cast<std::int32_t>(step.progress.text_begin);
  words[FrameProgress::kTextEnd] = static_cast<std::int32_t>(step.progress.text_end);
  words[FrameProgress::kMore] = more ? 1 : 0;
  words[FrameProgress::kCarried] = reader == nullptr || more ? 0 : static_cast<std::int32_t>(reader->carried());
  words[FrameProgress::kReceived] = step.received;
  environment.turn.ChargeLines(step.records, step.refused);
  environment.turn.ChargeBytes(step.progress.text_end - step.progress.text_begin);
  NoteTurn(environment);
  if (!more) environment.readers.Settle(stream);
  return static_cast<std::int32_t>(step.records);
}

// Returns where the next bytes of a stream go. Its size is 0 if there is no room, as in a window that messages own.
FrameReader::Room Prepare(const Environment& environment, FrameReader& reader, std::size_t least) {
  if (environment.memory.progress[FrameProgress::kGiven] != 0) return {};
  return reader.Prepare(least);
}

std::int32_t NoRoom(Environment& environment, const FrameReader& reader) {
  environment.memory.progress[FrameProgress::kCarried] = static_cast<std::int32_t>(reader.carried());
  return RecordCount::kNoRoom;
}

RecordSink SinkOf(Environment& environment, std::size_t stream) {
  const RecordMemory& memory = environment.memory;
  const std::size_t lines = std::min(memory.record_capacity, environment.turn.lines_left());
  return {memory.records, lines, memory.rows, environment.readers.FieldsOf(stream)};
}

std::int32_t TakeBytes(Environment& environment, std::size_t stream, FrameReader& reader, std::size_t size) {
  environment.turn.ChargeRead();
  environment.turn.ChargeBytes(size);
  if (size == 0) environment.turn.ChargeEnd();
  RecordSink sink = SinkOf(environment, stream);
  const FrameReader::Progress progress = reader.Push(size, environment.scanner, sink);
  return Report(environment, stream, &reader,
                {progress, sink.count(), sink.refused(), static_cast<std::int32_t>(size)});
}

// Makes a field set of a list of JSON Pointers. Returns nullptr unless all of them are valid.
std::unique_ptr<const FieldSet> ToFieldSet(const Value& pointers) {
  std::vector<std::string> texts;
  for (std::uint32_t i = 0; i < pointers.Length(); ++i) texts.push_back(pointers.At(i).ToText());
  return FieldSet::Make(texts);
}

// openReader(descriptor, maxLineBytes, fields: string[]): before the first read. `fields` are JSON Pointers.
Value OpenReader(const Invocation& call) {
  Environment& environment = Environment::Of(call.env());
  if (!call[0].IsNumber() || call[1].ToSize() == 0 || environment.memory.progress == nullptr) {
    ThrowMisuse(call.env(), "openReader: wrong arguments, or no records are attached");
    return {};
  }
  std::unique_ptr<const FieldSet> fields;
  if (call[2].Length() > 0) {
    fields = ToFieldSet(call[2]);
    if (fields == nullptr || environment.memory.rows == nullptr) {
      ThrowMisuse(call.env(), "openReader: invalid fields, or no rows are attached");
      return {};
    }
  }
  environment.readers.Open(call[0].ToSize(), call[1].ToSize(), std::move(fields));
  return {};
}

// closeReader(descriptor): before the number is used again
Value CloseReader(const Invocation& call) {
  Environment::Of(call.env()).readers.Close(call[0].ToSize());
  return {};
}

// The following return the number of records, or RecordCount::kNoRoom, and set FrameProgress.

// readRecords(descriptor): reads what has arrived
Value ReadRecordsFromScript(const Invocation& call) {
  return call.Number(ReadRecords(Environment::Of(call.env()), call[0].ToSize(), kReadBytes).records);
}

// pushRecords(descriptor, bytes: Uint8Array, size): takes bytes that the event loop has read
Value PushRecords(const Invocation& call) {
  Environment& environment = Environment::Of(call.env());
  const std::optional<View<std::uint8_t>> bytes = call[1].ToView<std::uint8_t>();
  if (!bytes.has_value()) {
    ThrowMisuse(call.env(), "pushRecords: wrong arguments");
    return {};
  }
  const std::size_t size = std::min(call[2].ToSize(), bytes->size);
  const std::size_t stream = call[0].ToSize();
  FrameReader* const reader = environment.readers.Of(stream);
  if (reader == nullptr || size == 0) return call.Number(Report(environment, stream, reader, {}));
  const FrameReader::Room room = Prepare(environment, *reader, size);
  if (room.size == 0) return call.Number(NoRoom(environment, *reader));
  std::memcpy(environment.window->bytes + room.begin, bytes->data, size);
  return call.Number(TakeBytes(environment, stream, *reader, size));
}

// moreRecords(descriptor): continues with the last read, if FrameProgress::kMore is set
Value MoreRecords(const Invocation& call) {
  Environment& environment = Environment::Of(call.env());
  const std::size_t stream = call[0].ToSize();
  FrameReader* const reader = environment.readers.Of(stream);
  if (reader == nullptr) return call.Number(Report(environment, stream, nullptr, {}));
  if (reader->suspended() && Prepare(environment, *reader, 1).size == 0)
    return call.Number(NoRoom(environment, *reader));
  RecordSink sink = SinkOf(environment, stream);
  const FrameReader::Progress progress = reader->Continue(environment.scanner, sink);
  return call.Number(Report(environment, stream, reader, {progress, sink.count(), sink.refused()}));
}

// suspendRecords(descriptor): keeps the rest of the last read for a later moreRecords
Value SuspendRecords(const Invocation& call) {
  Environment& environment = Environment::Of(call.env());
  const std::size_t stream = call[0].ToSize();
  FrameReader* const reader = environment.readers.Of(stream);
  if (reader != nullptr && environment.memory.progress[FrameProgress::kMore] == 1) reader->Suspend();
  return call.Number(Report(environment, stream, reader, {}));
}

// finishRecords(descriptor): the unfinished line of a stream that has ended
Value FinishRecords(const Invocation& call) {
  Environment& environment = Environment::Of(call.env());
  const std::size_t stream = call[0].ToSize();
  FrameReader* const reader = environment.readers.Of(stream);
  if (reader == nullptr) return call.Number(Report(environment, stream, nullptr, {}));
  if (Prepare(environment, *reader, 1).size == 0) return call.Number(NoRoom(environment, *reader));
  RecordSink sink = SinkOf(environment, stream);
  const FrameReader::Progress progress = reader->Finish(environment.scanner, sink);
  return call.Number(Report(environment, stream, reader, {progress, sink.count(), sink.refused()}));
}

// beginTurn()
Value StartTurn(const Invocation& call) {
  BeginTurn(Environment::Of(call.env()));
  return {};
}

}  // namespace

void BeginTurn(Environment& environment) {
  environment.turn.Begin();
  if (environment.memory.progress != nullptr) NoteTurn(environment);
}

bool MustWait(const Environment& environment) {
  return environment.turn.over() ||
         (environment.memory.progress != nullptr && environment.memory.progress[FrameProgress::kKeptWait] != 0);
}

RecordsRead ReadRecords(Environment& environment, std::size_t stream, std::size_t most) {
  using Outcome = RecordsRead::Outcome;
  FrameReader* const reader = environment.readers.Of(stream);
  if (reader == nullptr) {
    return {Report(environment, stream, nullptr, {{}, 0, 0, FrameProgress::kNothing}), Outcome::kNothing};
  }
  const FrameReader::Room room = Prepare(environment, *reader, kLeastReadBytes);
  if (room.size == 0) return {NoRoom(environment, *reader), Outcome::kRead};
  // Within a long line, read all there is, because each read that ends inside a line may cost a copy.
  const std::size_t carried = reader->carried();
  const std::size_t wanted = carried < kLeastReadBytes ? std::min(room.size, std::max(most, carried)) : room.size;
  Result<std::size_t> size =
      ReadNow(FromLoopNumber(static_cast<int>(stream)), environment.window->bytes + room.begin, wanted);
  if (size.ok()) {
    const bool full = size.value() == wanted;
    return {TakeBytes(environment, stream, *reader, size.value()), full ? Outcome::kFull : Outcome::kRead};
  }
  const bool nothing = size.failure().kind == FailureKind::kWouldBlock;
  const std::int32_t received = nothing ? FrameProgress::kNothing : -size.failure().code;
  if (!nothing) environment.turn.ChargeEnd();
  return {Report(environment, stream, reader, {{}, 0, 0, received}), nothing ? Outcome::kNothing : Outcome::kRead};
}

void DefineReading(Value exports) {
  Export<AttachRecords>(exports, "attachRecords");
  Export<AttachFieldRows>(exports, "attachFieldRows");
  Export<AttachWindow>(exports, "attachWindow");
  Export<OpenReader>(exports, "openReader");
  Export<CloseReader>(exports, "closeReader");
  Export<ReadRecordsFromScript>(exports, "readRecords");
  Export<PushRecords>(exports, "pushRecords");
  Export<MoreRecords>(exports, "moreRecords");
  Export<SuspendRecords>(exports, "suspendRecords");
  Export<FinishRecords>(exports, "finishRecords");
  Export<StartTurn>(exports, "beginTurn");
}

}  // namespace sentinel
