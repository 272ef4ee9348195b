#include "frames/line_checker.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "frames/envelope_key.h"
#include "frames/escapes.h"

namespace sentinel {
namespace {

constexpr std::int64_t kMaxSafeInteger = (std::int64_t{1} << 53) - 1;

bool Same(const std::uint8_t* bytes, const char* text, std::size_t length) {
  return std::memcmp(bytes, text, length) == 0;
}

MessageType TypeOf(const std::uint8_t* bytes, std::size_t length) {
  switch (length) {
    case 7: return Same(bytes, "soc_ack", 7) ? MessageType::kAck : MessageType::kOther;
    case 9: return Same(bytes, "soc_event", 9) ? MessageType::kEvent : MessageType::kOther;
    case 12: return Same(bytes, "soc_incident", 12) ? MessageType::kIncident : MessageType::kOther;
    case 13: return Same(bytes, "soc_heartbeat", 13) ? MessageType::kHeartbeat : MessageType::kOther;
    default: return MessageType::kOther;
  }
}

std::int32_t Word(std::size_t value) { return static_cast<std::int32_t>(value); }

// Whether an object of a line that is JSON has a name with an escape. `escape` is the first backslash of the line,
// or its end; `from` and `to` bound its structural positions. None of these lies within a string, so the first one
// behind a backslash shows whether its string is a name.
bool HasEscapedName(const std::uint8_t* text, std::size_t escape, const std::uint32_t* from,
                    const std::uint32_t* to, std::size_t end) {
  while (escape < end) {
    from = std::upper_bound(from, to, escape);
    if (from == to) return false;
    if (text[*from] == ':') return true;
    const void* const next = std::memchr(text + *from, '\\', end - *from);
    if (next == nullptr) return false;
    escape = static_cast<std::size_t>(static_cast<const std::uint8_t*>(next) - text);
  }
  return false;
}

}  // namespace

bool LineChecker::Check(std::size_t start, std::size_t end, bool ascii, std::int32_t* record) {
  walker_.error = start;
  walker_.unusual_names = 0;
  walker_.long_number = false;
  const std::uint32_t* const first = walker_.cursor;
  Envelope envelope;
  LineState state = LineState::kSyntax;
  // A line of blanks has no structural position: the next one belongs to another line.
  if (*walker_.cursor < end && (!has_escapes_ || CheckEscapes(start, end))) state = CheckEnvelope(end, envelope);
  if (state == LineState::kMessage && walker_.cursor[-1] >= end) state = walker_.FailAt(end, LineState::kSyntax);
  if (state == LineState::kMessage && *walker_.cursor < end) {
    state = walker_.FailAt(*walker_.cursor, LineState::kSyntax);
  }

  record[FrameRecord::kState] = static_cast<std::int32_t>(state);
  record[FrameRecord::kLineEnd] = Word(end + origin_);
  if (state != LineState::kMessage) {
    record[FrameRecord::kErrorOffset] = Word(std::min(walker_.error, end) - start);
    return false;
  }
  record[FrameRecord::kTypeCode] =
      static_cast<std::int32_t>(TypeOf(walker_.text + envelope.type.start, envelope.type.size()));
  record[FrameRecord::kTypeStart] = Word(envelope.type.start + origin_);
  record[FrameRecord::kTypeEnd] = Word(envelope.type.end + origin_);
  record[FrameRecord::kIdStart] = Word(envelope.id.start + origin_);
  record[FrameRecord::kIdEnd] = Word(envelope.id.end + origin_);
  record[FrameRecord::kPayloadStart] = Word(envelope.payload.start + origin_);
  record[FrameRecord::kPayloadEnd] = Word(envelope.payload.end + origin_);
  const auto seconds = static_cast<std::uint64_t>(envelope.seconds);
  record[FrameRecord::kTimestampLow] = static_cast<std::int32_t>(seconds & 0xffffffffU);
  record[FrameRecord::kTimestampHigh] = static_cast<std::int32_t>(seconds >> 32U);
  record[FrameRecord::kSequenceLow] = static_cast<std::int32_t>(envelope.sequence & 0xffffffffU);
  record[FrameRecord::kSequenceHigh] = static_cast<std::int32_t>(envelope.sequence >> 32U);
  const bool plain_names =
      (walker_.unusual_names >> 31U) == 0 &&
      (!has_escapes_ || !HasEscapedName(walker_.text, first_escape_, first, walker_.cursor, end));
  record[FrameRecord::kFlags] = FlagsOf(envelope, start, end) | (ascii ? FrameRecord::kAscii : 0) |
                                (plain_names ? FrameRecord::kPlainNames : 0) |
                                (walker_.long_number ? FrameRecord::kLongNumber : 0);
  return true;
}

std::int32_t LineChecker::FlagsOf(const Envelope& envelope, std::size_t line_start, std::size_t line_end) const {
  std::int32_t flags = 0;
  if (has_escapes_) {
    if (HasEscapes(envelope.type)) flags |= FrameRecord::kTypeEscaped;
    if (HasEscapes(envelope.id)) flags |= FrameRecord::kIdEscaped;
  }
  const std::uint8_t* const text = walker_.text;
  if (flags != 0 || text[line_end] != '\n') return HasMeta(envelope, rare_) ? flags | FrameRecord::kHasMeta : flags;
  return FormOf(text, {line_start, line_end}, envelope, rare_);
}

bool LineChecker::HasEscapes(const Span& span) const {
  return std::memchr(walker_.text + span.start, '\\', span.size()) != nullptr;
}

LineState LineChecker::CheckEnvelope(std::size_t end, Envelope& envelope) {
  const std::size_t open = *walker_.cursor;
  if (walker_.text[open] != '{') {
    Span value;
    const LineState state = CheckValue(value);
    return state == LineState::kMessage ? walker_.FailAt(open, LineState::kNotAnObject) : state;
  }
  const bool own = own_form_.TakeEnvelope(walker_, end, envelope);
  if (!own) ++walker_.cursor;
  if (!own && walker_.text[*walker_.cursor] == '}') {
    ++walker_.cursor;
  } else {
    bool payload_only = own;
    for (;;) {
      const bool payload_last = payload_only;
      LineState state = payload_only ? CheckPayload(envelope) : CheckMember(envelope);
      payload_only = false;
      if (state != LineState::kMessage) return state;
      const std::size_t at = *walker_.cursor++;
      if (walker_.text[at] == '}') break;
      if (walker_.text[at] != ',') return walker_.FailAt(at, LineState::kSyntax);
      if (payload_last && OwnForm::TakeSequence(walker_, end, envelope)) break;
    }
  }
  return envelope.type.size() == 0 ? walker_.FailAt(open, LineState::kTypeMissing) : LineState::kMessage;
}

LineState LineChecker::CheckMember(Envelope& envelope) {
  const std::size_t quote = walker_.cursor[0];
  const std::size_t colon = walker_.cursor[1];
  const std::uint32_t* const value = JsonWalker::SkipName(walker_.text, walker_.cursor, walker_.unusual_names);
  if (value == nullptr) return walker_.FailAt(quote, LineState::kSyntax);
  walker_.cursor = value;

  const std::size_t name_bytes = StringEnd(walker_.text, quote, colon) - quote - 2;
  const EnvelopeKey key = IdentifyKey(walker_.text + quote + 1, name_bytes, has_escapes_);
  switch (key) {
    case EnvelopeKey::kAmbiguous: return walker_.FailAt(quote, LineState::kAmbiguousKey);
    case EnvelopeKey::kUnknown: return TakeExtra(quote, envelope);
    default: break;
  }
  if ((envelope.seen & Bit(key)) != 0) return walker_.FailAt(quote, LineState::kDuplicateKey);
  envelope.seen |= Bit(key);
  switch (key) {
    case EnvelopeKey::kType: return TakeString(envelope.type, LineState::kTypeInvalid);
    case EnvelopeKey::kId: return TakeString(envelope.id, LineState::kIdInvalid);
    case EnvelopeKey::kTimestamp: return TakeTimestamp(envelope);
    case EnvelopeKey::kPayload: return CheckPayload(envelope);
    default: rare_.sequence_at = quote; return TakeSequence(envelope);
  }
}

LineState LineChecker::TakeExtra(std::size_t start, Envelope& envelope) {
  if ((envelope.seen & Bit(EnvelopeKey::kUnknown)) == 0) {
    rare_.extra_keys = 0;
    rare_.extra_bytes = 0;
    rare_.extras_start = start;
  }
  envelope.seen |= Bit(EnvelopeKey::kUnknown);
  Span value;
  const LineState state = CheckValue(value);
  ++rare_.extra_keys;
  rare_.extra_bytes += value.end - start;
  rare_.extras_end = value.end;
  return state;
}

LineState LineChecker::CheckPayload(Envelope& envelope) {
  return finder_ == nullptr ? CheckValue(envelope.payload) : walker_.Walk(envelope.payload, *finder_);
}

LineState LineChecker::CheckValue(Span& value) {
  NoVisitor visitor;
  return walker_.Walk(value, visitor);
}

LineState LineChecker::TakeString(Span& content, LineState otherwise) {
  const std::size_t at = *walker_.cursor;
  Span value;
  if (LineState state = CheckValue(value); state != LineState::kMessage) return state;
  if (walker_.text[at] != '"') return walker_.FailAt(at, otherwise);
  content = {at + 1, value.end - 1};
  return LineState::kMessage;
}

LineState LineChecker::TakeTimestamp(Envelope& envelope) {
  Span& value = envelope.timestamp;
  if (LineState state = CheckValue(value); state != LineState::kMessage) return state;
  const bool negative = walker_.text[value.start] == '-';
  const std::size_t digits = value.start + (negative ? 1 : 0);
  if (value.end - digits > kMaxSafeDigits) return walker_.FailAt(value.start, LineState::kTimestampInvalid);
  std::int64_t seconds = 0;
  for (std::size_t i = digits; i < value.end; ++i) {
    if (!IsDigit(walker_.text[i])) return walker_.FailAt(value.start, LineState::kTimestampInvalid);
    seconds = seconds * 10 + (walker_.text[i] - '0');
  }
  if (seconds > kMaxSafeInteger) return walker_.FailAt(value.start, LineState::kTimestampInvalid);
  envelope.seconds = negative ? -seconds : seconds;
  return LineState::kMessage;
}

// Any valid JSON value is accepted: peers that do not number lines may use the key for something else.
LineState LineChecker::TakeSequence(Envelope& envelope) {
  Span value;
  if (LineState state = CheckValue(value); state != LineState::kMessage) return state;
  if (value.size() > kMaxSafeDigits) return LineState::kMessage;
  std::int64_t sequence = 0;
  for (std::size_t i = value.start; i < value.end; ++i) {
    if (!IsDigit(walker_.text[i])) return LineState::kMessage;
    sequence = sequence * 10 + (walker_.text[i] - '0');
  }
  if (sequence <= kMaxSafeInteger) envelope.sequence = static_cast<std::uint64_t>(sequence);
  return LineState::kMessage;
}

// Every backslash of the line must begin an escape. Outside of a string it is not JSON either way.
bool LineChecker::CheckEscapes(std::size_t start, std::size_t end) {
  const Escapes escapes = FindEscapes(walker_.text, start, end);
  first_escape_ = escapes.first;
  if (escapes.bad == end) return true;
  walker_.error = escapes.bad;
  return false;
}

}  // namespace sentinel
