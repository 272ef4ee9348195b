#include "node/frames.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "frames/frame_layout.h"
#include "frames/frame_record.h"
#include "frames/line_numbers.h"
#include "node/convert.h"
#include "node/environment.h"

namespace sentinel {
namespace {

// Whether a record is of a message whose payload is all that follows its key, up to the closing brace: text that
// was given as a payload must not bring other keys along.
bool IsMessageAlone(const std::uint8_t* bytes, const std::int32_t* record) {
  if (record[FrameRecord::kState] != static_cast<std::int32_t>(LineState::kMessage)) return false;
  const std::int32_t payload_end = record[FrameRecord::kPayloadEnd];
  if (payload_end == record[FrameRecord::kPayloadStart]) return true;
  return std::all_of(bytes + payload_end, bytes + record[FrameRecord::kLineEnd] - 1,
                     [](std::uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\r'; });
}

// layOutFrames(bytes: Uint8Array, begin, text, words: Int32Array, count) → where the frames end. `words` describes
// them as FrameLayout has it.
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

// numberLines(lines: Uint8Array, end, out: Uint8Array, at, first) → where the numbered lines of [0, end) end in
// `out`.
Napi::Value NumberLinesFromScript(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 5 || !info[0].IsTypedArray() || !info[2].IsTypedArray() || !info[4].IsNumber()) {
    ThrowMisuse(env, "numberLines: wrong arguments");
    return {};
  }
  const auto lines = info[0].As<Napi::Uint8Array>();
  auto out = info[2].As<Napi::Uint8Array>();
  const std::size_t end = ToSize(info[1]);
  const std::size_t at = ToSize(info[3]);
  const std::int64_t first = info[4].As<Napi::Number>().Int64Value();
  const std::uint8_t* numbered_end = nullptr;
  if (end <= lines.ElementLength() && at <= out.ElementLength() && first >= 1) {
    numbered_end = NumberLines(lines.Data(), lines.Data() + end, out.Data() + at, out.Data() + out.ElementLength(),
                               static_cast<std::uint64_t>(first));
  }
  if (numbered_end == nullptr) {
    ThrowMisuse(env, "numberLines: sizes do not fit");
    return {};
  }
  return Napi::Number::New(env, static_cast<double>(numbered_end - out.Data()));
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

void DefineFrames(Napi::Env env, Napi::Object exports) {
  exports.Set("layOutFrames", Napi::Function::New<LayOutFramesFromScript>(env, "layOutFrames"));
  exports.Set("checkFrames", Napi::Function::New<CheckFrames>(env, "checkFrames"));
  exports.Set("numberLines", Napi::Function::New<NumberLinesFromScript>(env, "numberLines"));
  exports.Set("writeBatch", Napi::Function::New<WriteBatchFromScript>(env, "writeBatch"));
}

}  // namespace sentinel
