#include "node/frames.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "frames/frame_layout.h"
#include "frames/frame_record.h"
#include "frames/line_numbers.h"
#include "node/environment.h"

namespace sentinel {
namespace {

// Whether the payload of a record extends from its key to the closing brace of the message. Text
// passed as a payload must not be able to add other keys.
bool IsMessageAlone(const std::uint8_t* bytes, const std::int32_t* record) {
  if (record[FrameRecord::kState] != static_cast<std::int32_t>(LineState::kMessage)) return false;
  const std::int32_t payload_end = record[FrameRecord::kPayloadEnd];
  if (payload_end == record[FrameRecord::kPayloadStart]) return true;
  return std::all_of(bytes + payload_end, bytes + record[FrameRecord::kLineEnd] - 1,
                     [](std::uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\r'; });
}

// layOutFrames(bytes: Uint8Array, begin, text, words: Int32Array, count) → where the frames end.
// `words` describes them in the layout of FrameLayout.
Value LayOutFramesFromScript(const Invocation& call) {
  const std::optional<View<std::uint8_t>> bytes = call[0].ToView<std::uint8_t>();
  const std::optional<View<std::int32_t>> words = call[3].ToView<std::int32_t>();
  if (!bytes.has_value() || !words.has_value()) {
    ThrowMisuse(call.env(), "layOutFrames: wrong arguments");
    return {};
  }
  const std::size_t begin = call[1].ToSize();
  const std::size_t count = call[4].ToSize();
  const std::size_t text_begin = begin + count * FrameLayout::kEnvelopeBytes;
  if (words->size / FrameLayout::kWords < count || begin > bytes->size || text_begin >= bytes->size) {
    ThrowMisuse(call.env(), "layOutFrames: the sizes do not fit");
    return {};
  }
  const std::optional<TextSize> text = call[2].WriteText(bytes->data + text_begin, bytes->size - text_begin);
  if (!text.has_value()) {
    ThrowMisuse(call.env(), "layOutFrames: the text does not fit");
    return {};
  }
  const std::size_t end =
      LayOutFrames(bytes->data, begin, text_begin, text_begin + text->bytes, text->units, words->data, count);
  return call.Number(static_cast<double>(end));
}

// checkFrames(bytes: Uint8Array, begin, end, maxLineBytes) → the number of messages; or, if any
// line is not a message in the form of this package's encoder, with the payload last, the negative
// LineState of the first such line. The last line must end in a newline too.
Value CheckFrames(const Invocation& call) {
  const std::optional<View<std::uint8_t>> bytes = call[0].ToView<std::uint8_t>();
  if (!bytes.has_value()) {
    ThrowMisuse(call.env(), "checkFrames: wrong arguments");
    return {};
  }
  const std::size_t end = std::min(call[2].ToSize(), bytes->size);
  const std::size_t start = std::min(call[1].ToSize(), end);
  const std::size_t max_line_bytes = call[3].ToSize();
  const std::uint8_t* const data = bytes->data + start;
  const std::size_t size = end - start;
  if (size == 0) return call.Number(0);
  // Records hold positions in 32 bits.
  if (size > INT32_MAX || data[size - 1] != '\n') return call.Number(-1);

  LineScanner& scanner = Environment::Of(call.env()).scanner;
  std::array<std::int32_t, 64 * FrameRecord::kWords> words;
  double messages = 0;
  for (std::size_t begin = 0; begin < size;) {
    RecordSink sink(words.data(), words.size() / FrameRecord::kWords);
    begin = scanner.Scan(data, begin, size, {max_line_bytes}, sink);
    for (std::size_t i = 0; i < sink.count(); ++i) {
      const std::int32_t* const record = words.data() + i * FrameRecord::kWords;
      if (!IsMessageAlone(data, record)) return call.Number(-std::max(record[FrameRecord::kState], 1));
    }
    messages += static_cast<double>(sink.count());
  }
  return call.Number(messages);
}

// numberLines(lines: Uint8Array, end, out: Uint8Array, at, first) → where the numbered lines of [0, end) end in
// `out`.
Value NumberLinesFromScript(const Invocation& call) {
  const std::optional<View<std::uint8_t>> lines = call[0].ToView<std::uint8_t>();
  const std::optional<View<std::uint8_t>> out = call[2].ToView<std::uint8_t>();
  if (!lines.has_value() || !out.has_value()) {
    ThrowMisuse(call.env(), "numberLines: wrong arguments");
    return {};
  }
  const std::size_t end = call[1].ToSize();
  const std::size_t at = call[3].ToSize();
  const std::uint64_t first = call[4].ToSize();
  const std::uint8_t* numbered_end = nullptr;
  if (end <= lines->size && at <= out->size && first >= 1) {
    numbered_end = NumberLines(lines->data, lines->data + end, out->data + at, out->data + out->size, first);
  }
  if (numbered_end == nullptr) {
    ThrowMisuse(call.env(), "numberLines: the sizes do not fit");
    return {};
  }
  return call.Number(static_cast<double>(numbered_end - out->data));
}

// writeBatch(descriptor, bytes: Uint8Array, begin, end) → bytes written, or a negative error number
Value WriteBatchFromScript(const Invocation& call) {
  const std::optional<View<std::uint8_t>> bytes = call[1].ToView<std::uint8_t>();
  if (!call[0].IsNumber() || !bytes.has_value()) {
    ThrowMisuse(call.env(), "writeBatch: wrong arguments");
    return {};
  }
  const std::size_t end = std::min(call[3].ToSize(), bytes->size);
  const std::size_t begin = std::min(call[2].ToSize(), end);
  Result<std::size_t> written = WriteBatch(FromLoopNumber(call[0].ToInt32()), bytes->data + begin, end - begin);
  if (!written.ok()) return call.Number(-written.failure().code);
  return call.Number(static_cast<double>(written.value()));
}

}  // namespace

void DefineFrames(Value exports) {
  Export<LayOutFramesFromScript>(exports, "layOutFrames");
  Export<CheckFrames>(exports, "checkFrames");
  Export<NumberLinesFromScript>(exports, "numberLines");
  Export<WriteBatchFromScript>(exports, "writeBatch");
}

}  // namespace sentinel
