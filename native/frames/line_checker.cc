#include "frames/line_checker.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "frames/envelope_key.h"
#include "frames/escapes.h"

namespace sentinel {
namespace {

constexpr std::int64_t kMaxSafeInteger = (std::int64_t{1} << 53) - 1;
constexpr std::size_t kMaxSafeDigits = 16;
constexpr std::string_view kPayloadKey = R"(,"payload":)";

bool Same(const std::uint8_t* bytes, const char* text, std::size_t length) {
  return std::memcmp(bytes, text, length) == 0;
}

unsigned Bit(EnvelopeKey key) { return 1U << static_cast<unsigned>(key); }

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
  if (flags != 0 || text[line_end] != '\n') return HasMeta(envelope) ? flags | FrameRecord::kHasMeta : flags;
  // An envelope that TakeOwnEnvelope recognised is canonical if nothing stands in front of it or
  // behind the payload.
  if (envelope.own && envelope.type.start == line_start + sizeof(R"({"type":")") - 1 &&
      envelope.payload.end + 1 == line_end) {
    return FrameRecord::kCanonical;
  }
  // The encoder of this package writes {"type":"T","id":"I","ts":N,"payload":P}, and omits an empty
  // id. If the parts stand in that order and the line has exactly their bytes, there is nothing
  // else in it.
  const bool in_order = envelope.type.start < envelope.timestamp.start &&
                        envelope.timestamp.start < envelope.payload.start &&
                        (envelope.id.size() == 0 ||
                         (envelope.type.start < envelope.id.start && envelope.id.start < envelope.timestamp.start));
  const std::size_t id_bytes = envelope.id.size() == 0 ? 0 : envelope.id.size() + sizeof(R"(,"id":"")") - 1;
  const std::size_t head_bytes =
      sizeof(R"({"type":"","ts":)") - 1 + envelope.type.size() + id_bytes + envelope.timestamp.size();
  const bool minus_zero = envelope.seconds == 0 && envelope.timestamp.size() > 1;
  if (!HasMeta(envelope)) {
    const bool canonical = in_order && !minus_zero &&
                           line_end - line_start == head_bytes + kPayloadKey.size() + envelope.payload.size() + 1;
    return canonical ? FrameRecord::kCanonical : 0;
  }
  // With other keys it writes them behind `ts`, and a sequence number, if any, behind the payload.
  const bool numbered_behind =
      (envelope.seen & Bit(EnvelopeKey::kSequence)) == 0 || sequence_at_ > envelope.payload.end;
  const bool in_place = in_order && !minus_zero && numbered_behind &&
                        envelope.timestamp.end - line_start == head_bytes && text[envelope.timestamp.end] == ',' &&
                        extras_.first == envelope.timestamp.end + 1 &&
                        extras_.end + kPayloadKey.size() == envelope.payload.start &&
                        Same(text + extras_.end, kPayloadKey.data(), kPayloadKey.size());
  if (!in_place) return FrameRecord::kHasMeta;
  const bool canonical = envelope.payload.end + 1 == line_end;
  return FrameRecord::kHasMeta | FrameRecord::kMetaInPlace | (canonical ? FrameRecord::kCanonical : 0);
}

bool LineChecker::HasMeta(const Envelope& envelope) const {
  return (envelope.seen & Bit(EnvelopeKey::kUnknown)) != 0 && extras_.InBounds();
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
  const bool own = TakeOwnEnvelope(end, envelope);
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
      if (payload_last && TakeOwnSequence(end, envelope)) break;
    }
  }
  return envelope.type.size() == 0 ? walker_.FailAt(open, LineState::kTypeMissing) : LineState::kMessage;
}

// Takes the envelope up to the payload's value at once, if it has the form that this package's
// encoder writes. The structural characters are where the text has them only if no string was left
// open before, so each position is compared.
bool LineChecker::TakeOwnEnvelope(std::size_t end, Envelope& envelope) {
  constexpr std::string_view kOpen = R"({"type":")";
  constexpr std::string_view kBeforeId = R"(","id":")";
  constexpr std::string_view kBeforeTimestamp = R"(","ts":)";
  const std::uint32_t* const at = walker_.cursor;
  const auto stands = [&](std::size_t where, std::string_view what) {
    return where + what.size() <= end && Same(walker_.text + where, what.data(), what.size());
  };

  const std::size_t open = at[0];
  if (!stands(open, kOpen) || at[1] != open + 1 || at[2] != open + 7 || at[3] != open + 8) return false;
  const Span type = {open + kOpen.size(), at[4] - std::size_t{1}};
  if (type.end <= type.start || !stands(type.end, kBeforeId) || at[5] != type.end + 2 || at[6] != type.end + 6 ||
      at[7] != type.end + 7) {
    return false;
  }
  const Span id = {type.end + kBeforeId.size(), at[8] - std::size_t{1}};
  if (id.end <= id.start || !stands(id.end, kBeforeTimestamp) || at[9] != id.end + 2 || at[10] != id.end + 6 ||
      at[11] != id.end + 7) {
    return false;
  }
  const Span timestamp = {id.end + kBeforeTimestamp.size(), at[12]};
  if (!stands(timestamp.end, kPayloadKey) || at[13] != timestamp.end + 1 || at[14] != timestamp.end + 10 ||
      at[15] != timestamp.end + kPayloadKey.size()) {
    return false;
  }
  // A number without sign or leading zero, short enough to be safe. CheckMember handles the others.
  if (timestamp.size() == 0 || timestamp.size() >= kMaxSafeDigits || walker_.text[timestamp.start] == '0')
    return false;
  // Most lines of a block have the same timestamp.
  if (timestamp.size() != last_timestamp_.size() ||
      std::memcmp(walker_.text + timestamp.start, walker_.text + last_timestamp_.start, timestamp.size()) != 0) {
    std::int64_t seconds = 0;
    for (std::size_t i = timestamp.start; i < timestamp.end; ++i) {
      if (!IsDigit(walker_.text[i])) return false;
      seconds = seconds * 10 + (walker_.text[i] - '0');
    }
    last_timestamp_ = timestamp;
    last_seconds_ = seconds;
  }

  envelope.type = type;
  envelope.id = id;
  envelope.timestamp = timestamp;
  envelope.seconds = last_seconds_;
  envelope.seen =
      Bit(EnvelopeKey::kType) | Bit(EnvelopeKey::kId) | Bit(EnvelopeKey::kTimestamp) | Bit(EnvelopeKey::kPayload);
  envelope.own = true;
  walker_.cursor = at + 15;
  return true;
}

// Takes `"seq":N}` at once behind a comma, if the line ends there, in the form that a numbering
// sender writes.
bool LineChecker::TakeOwnSequence(std::size_t end, Envelope& envelope) {
  constexpr std::string_view kKey = R"("seq":)";
  const std::uint32_t* const at = walker_.cursor;
  const std::size_t digits = at[0] + kKey.size();
  // The key first: only then do the positions after it belong to this line.
  if (digits >= end || !Same(walker_.text + at[0], kKey.data(), kKey.size()) || at[1] != at[0] + 5 ||
      at[2] != digits) {
    return false;
  }
  const std::size_t close = at[3];
  if (close <= digits || close - digits >= kMaxSafeDigits || walker_.text[close] != '}' ||
      walker_.text[digits] == '0')
    return false;
  std::uint64_t sequence = 0;
  for (std::size_t i = digits; i < close; ++i) {
    if (!IsDigit(walker_.text[i])) return false;
    sequence = sequence * 10 + static_cast<std::uint64_t>(walker_.text[i] - '0');
  }
  envelope.sequence = sequence;
  walker_.cursor = at + 4;
  return true;
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
    default: sequence_at_ = quote; return TakeSequence(envelope);
  }
}

LineState LineChecker::TakeExtra(std::size_t start, Envelope& envelope) {
  if ((envelope.seen & Bit(EnvelopeKey::kUnknown)) == 0) extras_ = {0, 0, start, 0};
  envelope.seen |= Bit(EnvelopeKey::kUnknown);
  Span value;
  const LineState state = CheckValue(value);
  ++extras_.keys;
  extras_.bytes += value.end - start;
  extras_.end = value.end;
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
