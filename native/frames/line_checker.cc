#include "frames/line_checker.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "frames/escapes.h"

namespace sentinel {
namespace {

constexpr std::int64_t kMaxSafeInteger = (std::int64_t{1} << 53) - 1;
constexpr std::size_t kMaxSafeDigits = 16;
// The one character beyond ASCII that Go's case folding maps to a letter of our keys: U+017F to s. (U+212A is a k,
// which none of them has.)
constexpr unsigned kLongS = 0x17f;

bool IsDigit(std::uint8_t byte) { return static_cast<std::uint8_t>(byte - '0') < 10; }

bool IsBlank(std::uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n'; }

bool EndsScalar(std::uint8_t byte) { return byte == ',' || byte == '}' || byte == ']' || IsBlank(byte); }

bool Same(const std::uint8_t* bytes, const char* text, std::size_t length) {
  return std::memcmp(bytes, text, length) == 0;
}

// Compares bytes with a text in small letters, whatever the case of their ASCII letters.
bool SameFolded(const std::uint8_t* bytes, std::string_view small) {
  for (const char character : small) {
    const auto letter = static_cast<std::uint8_t>(character);
    if (*bytes != letter && (letter > 0x7f || (*bytes | 0x20U) != letter)) return false;
    ++bytes;
  }
  return true;
}

// Returns the position just past the string that opens at `at`, or 0 if it is not a string. `next` is the
// structural position after it. Stage one has checked that the string is closed and holds no control character. It
// reports no closing quotes, but only blanks can stand between one and the next structural character.
std::size_t StringEnd(const std::uint8_t* text, std::size_t at, std::size_t next) {
  std::size_t last = next - 1;
  while (IsBlank(text[last])) --last;  // stops at the opening quote at the latest
  return last > at && text[last] == '"' ? last + 1 : 0;
}

// Returns the cursor just past a member's name and its colon, or nullptr. Sets the highest bit of `unusual` for a
// name that may be `__proto__`: however that is written, it begins with an underscore or a backslash. (Two other
// characters that names hardly begin with count as these.)
inline const std::uint32_t* SkipName(const std::uint8_t* text, const std::uint32_t* cursor,
                                     std::uint32_t& unusual) {
  const std::size_t quote = cursor[0];
  if (text[quote] != '"') return nullptr;
  const std::size_t colon = cursor[1];
  unusual |= ((text[quote + 1] >> 2U) ^ (std::uint32_t{'_'} >> 2U)) - 1;
  return text[colon] == ':' && StringEnd(text, quote, colon) != 0 ? cursor + 2 : nullptr;
}

// -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?  Returns the position just past it, or 0. Stops at a line ending,
// which is not a digit.
std::size_t NumberEnd(const std::uint8_t* text, std::size_t at) {
  std::size_t i = at;
  if (text[i] == '-') ++i;
  if (!IsDigit(text[i])) return 0;
  if (text[i] == '0') {
    ++i;
  } else {
    while (IsDigit(text[i])) ++i;
  }
  if (text[i] == '.') {
    ++i;
    if (!IsDigit(text[i])) return 0;
    while (IsDigit(text[i])) ++i;
  }
  if (text[i] == 'e' || text[i] == 'E') {
    ++i;
    if (text[i] == '+' || text[i] == '-') ++i;
    if (!IsDigit(text[i])) return 0;
    while (IsDigit(text[i])) ++i;
  }
  return EndsScalar(text[i]) ? i : 0;
}

// Compares byte by byte, so that it stops at a line ending and reads nothing behind the line.
std::size_t LiteralEnd(const std::uint8_t* text, std::size_t at, std::string_view literal) {
  for (const char character : literal) {
    if (text[at] != static_cast<std::uint8_t>(character)) return 0;
    ++at;
  }
  return EndsScalar(text[at]) ? at : 0;
}

std::size_t ScalarEnd(const std::uint8_t* text, std::size_t at) {
  switch (text[at]) {
    case 't': return LiteralEnd(text, at, "true");
    case 'f': return LiteralEnd(text, at, "false");
    case 'n': return LiteralEnd(text, at, "null");
    default: return NumberEnd(text, at);
  }
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

}  // namespace

bool LineChecker::Check(std::size_t start, std::size_t end, bool ascii, std::int32_t* record) {
  error_ = start;
  unusual_names_ = 0;
  Envelope envelope;
  LineState state = LineState::kSyntax;
  // A line of blanks has no structural position: the next one belongs to another line.
  if (*cursor_ < end && (!has_escapes_ || CheckEscapes(start, end))) state = CheckEnvelope(end, envelope);
  if (state == LineState::kMessage && cursor_[-1] >= end) state = FailAt(end, LineState::kSyntax);
  if (state == LineState::kMessage && *cursor_ < end) state = FailAt(*cursor_, LineState::kSyntax);

  record[FrameRecord::kState] = static_cast<std::int32_t>(state);
  record[FrameRecord::kLineStart] = Word(start + origin_);
  record[FrameRecord::kLineEnd] = Word(end + origin_);
  if (state != LineState::kMessage) {
    record[FrameRecord::kErrorOffset] = Word(std::min(error_, end) - start);
    return false;
  }
  record[FrameRecord::kTypeCode] =
      static_cast<std::int32_t>(TypeOf(text_ + envelope.type.start, envelope.type.size()));
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
  record[FrameRecord::kFlags] = FlagsOf(envelope, start, end) | (ascii ? FrameRecord::kAscii : 0) |
                                ((unusual_names_ >> 31U) != 0 ? 0 : FrameRecord::kPlainNames);
  return true;
}

std::int32_t LineChecker::FlagsOf(const Envelope& envelope, std::size_t line_start, std::size_t line_end) const {
  std::int32_t flags = 0;
  if (has_escapes_) {
    if (HasEscapes(envelope.type)) flags |= FrameRecord::kTypeEscaped;
    if (HasEscapes(envelope.id)) flags |= FrameRecord::kIdEscaped;
  }
  if (flags != 0 || text_[line_end] != '\n') return flags;
  // An envelope that was taken in one go is canonical if nothing stands in front of it or behind the payload.
  if (envelope.own && envelope.type.start == line_start + sizeof(R"({"type":")") - 1 &&
      envelope.payload.end + 1 == line_end) {
    return FrameRecord::kCanonical;
  }
  // Our encoder writes {"type":"T","id":"I","ts":N,"payload":P}, and leaves an empty id out. If the parts stand in
  // that order and the line has exactly their bytes, there is nothing else in it.
  const bool in_order = envelope.type.start < envelope.timestamp.start &&
                        envelope.timestamp.start < envelope.payload.start &&
                        (envelope.id.size() == 0 ||
                         (envelope.type.start < envelope.id.start && envelope.id.start < envelope.timestamp.start));
  const std::size_t id_bytes = envelope.id.size() == 0 ? 0 : envelope.id.size() + sizeof(R"(,"id":"")") - 1;
  const std::size_t canonical_bytes = sizeof(R"({"type":"","ts":,"payload":})") - 1 + envelope.type.size() +
                                      id_bytes + envelope.timestamp.size() + envelope.payload.size();
  const bool minus_zero = envelope.seconds == 0 && envelope.timestamp.size() > 1;
  return in_order && line_end - line_start == canonical_bytes && !minus_zero ? FrameRecord::kCanonical : 0;
}

bool LineChecker::HasEscapes(const Span& span) const {
  return std::memchr(text_ + span.start, '\\', span.size()) != nullptr;
}

LineState LineChecker::CheckEnvelope(std::size_t end, Envelope& envelope) {
  const std::size_t open = *cursor_;
  if (text_[open] != '{') {
    Span value;
    const LineState state = CheckValue(value);
    return state == LineState::kMessage ? FailAt(open, LineState::kNotAnObject) : state;
  }
  const bool own = TakeOwnEnvelope(end, envelope);
  if (!own) ++cursor_;
  if (!own && text_[*cursor_] == '}') {
    ++cursor_;
  } else {
    bool payload_only = own;
    for (;;) {
      const bool payload_last = payload_only;
      LineState state = payload_only ? CheckValue(envelope.payload) : CheckMember(envelope);
      payload_only = false;
      if (state != LineState::kMessage) return state;
      const std::size_t at = *cursor_++;
      if (text_[at] == '}') break;
      if (text_[at] != ',') return FailAt(at, LineState::kSyntax);
      if (payload_last && TakeOwnSequence(end, envelope)) break;
    }
  }
  return envelope.type.size() == 0 ? FailAt(open, LineState::kTypeMissing) : LineState::kMessage;
}

// Takes the envelope up to the payload's value in one go, if it reads as our encoder writes it. The structural
// characters are where the text has them only if no string was left open before, so each position is compared.
bool LineChecker::TakeOwnEnvelope(std::size_t end, Envelope& envelope) {
  constexpr std::string_view kOpen = R"({"type":")";
  constexpr std::string_view kBeforeId = R"(","id":")";
  constexpr std::string_view kBeforeTimestamp = R"(","ts":)";
  constexpr std::string_view kBeforePayload = R"(,"payload":)";
  const std::uint32_t* const at = cursor_;
  const auto stands = [&](std::size_t where, std::string_view what) {
    return where + what.size() <= end && Same(text_ + where, what.data(), what.size());
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
  if (!stands(timestamp.end, kBeforePayload) || at[13] != timestamp.end + 1 || at[14] != timestamp.end + 10 ||
      at[15] != timestamp.end + kBeforePayload.size()) {
    return false;
  }
  // A number without sign or leading zero, short enough to be safe. CheckMember handles the others.
  if (timestamp.size() == 0 || timestamp.size() >= kMaxSafeDigits || text_[timestamp.start] == '0') return false;
  std::int64_t seconds = 0;
  for (std::size_t i = timestamp.start; i < timestamp.end; ++i) {
    if (!IsDigit(text_[i])) return false;
    seconds = seconds * 10 + (text_[i] - '0');
  }

  envelope.type = type;
  envelope.id = id;
  envelope.timestamp = timestamp;
  envelope.seconds = seconds;
  envelope.seen = 1U << static_cast<unsigned>(Key::kType) | 1U << static_cast<unsigned>(Key::kId) |
                  1U << static_cast<unsigned>(Key::kTimestamp) | 1U << static_cast<unsigned>(Key::kPayload);
  envelope.own = true;
  cursor_ = at + 15;
  return true;
}

// Takes `"seq":N}` in one go behind a comma, if the line ends there as a numbering sender writes it.
bool LineChecker::TakeOwnSequence(std::size_t end, Envelope& envelope) {
  constexpr std::string_view kKey = R"("seq":)";
  const std::uint32_t* const at = cursor_;
  const std::size_t digits = at[0] + kKey.size();
  // The key first: only then do the positions after it belong to this line.
  if (digits >= end || !Same(text_ + at[0], kKey.data(), kKey.size()) || at[1] != at[0] + 5 || at[2] != digits) {
    return false;
  }
  const std::size_t close = at[3];
  if (close <= digits || close - digits >= kMaxSafeDigits || text_[close] != '}' || text_[digits] == '0')
    return false;
  std::uint64_t sequence = 0;
  for (std::size_t i = digits; i < close; ++i) {
    if (!IsDigit(text_[i])) return false;
    sequence = sequence * 10 + static_cast<std::uint64_t>(text_[i] - '0');
  }
  envelope.sequence = sequence;
  cursor_ = at + 4;
  return true;
}

LineState LineChecker::CheckMember(Envelope& envelope) {
  const std::size_t quote = cursor_[0];
  const std::size_t colon = cursor_[1];
  const std::uint32_t* const value = SkipName(text_, cursor_, unusual_names_);
  if (value == nullptr) return FailAt(quote, LineState::kSyntax);
  const Span name = {quote + 1, StringEnd(text_, quote, colon) - 1};
  cursor_ = value;

  const Key key = Identify(name);
  if (key == Key::kAmbiguous) return FailAt(quote, LineState::kAmbiguousKey);
  if (key != Key::kUnknown) {
    const unsigned bit = 1U << static_cast<unsigned>(key);
    if ((envelope.seen & bit) != 0) return FailAt(quote, LineState::kDuplicateKey);
    envelope.seen |= bit;
  }
  switch (key) {
    case Key::kType: return TakeString(envelope.type, LineState::kTypeInvalid);
    case Key::kId: return TakeString(envelope.id, LineState::kIdInvalid);
    case Key::kTimestamp: return TakeTimestamp(envelope);
    case Key::kPayload: return CheckValue(envelope.payload);
    case Key::kSequence: return TakeSequence(envelope);
    case Key::kUnknown:
    case Key::kAmbiguous: break;
  }
  Span ignored;
  return CheckValue(ignored);
}

LineState LineChecker::TakeString(Span& content, LineState otherwise) {
  const std::size_t at = *cursor_;
  Span value;
  if (LineState state = CheckValue(value); state != LineState::kMessage) return state;
  if (text_[at] != '"') return FailAt(at, otherwise);
  content = {at + 1, value.end - 1};
  return LineState::kMessage;
}

LineState LineChecker::TakeTimestamp(Envelope& envelope) {
  Span& value = envelope.timestamp;
  if (LineState state = CheckValue(value); state != LineState::kMessage) return state;
  const bool negative = text_[value.start] == '-';
  const std::size_t digits = value.start + (negative ? 1 : 0);
  if (value.end - digits > kMaxSafeDigits) return FailAt(value.start, LineState::kTimestampInvalid);
  std::int64_t seconds = 0;
  for (std::size_t i = digits; i < value.end; ++i) {
    if (!IsDigit(text_[i])) return FailAt(value.start, LineState::kTimestampInvalid);
    seconds = seconds * 10 + (text_[i] - '0');
  }
  if (seconds > kMaxSafeInteger) return FailAt(value.start, LineState::kTimestampInvalid);
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
    if (!IsDigit(text_[i])) return LineState::kMessage;
    sequence = sequence * 10 + (text_[i] - '0');
  }
  if (sequence <= kMaxSafeInteger) envelope.sequence = static_cast<std::uint64_t>(sequence);
  return LineState::kMessage;
}

LineState LineChecker::CheckValue(Span& value) {
  // In registers: a check spends most of its time here.
  const std::uint8_t* const text = text_;
  const std::uint32_t* cursor = cursor_;
  std::uint32_t unusual_names = 0;
  std::size_t depth = 0;
  value.start = *cursor;
  for (;;) {
    // A value begins here.
    std::size_t at = *cursor++;
    const std::uint8_t first = text[at];
    std::size_t end = 0;
    if (first == '"') {
      end = StringEnd(text, at, *cursor);
    } else if (first == '{' || first == '[') {
      // The envelope itself is the first level.
      if (depth + 1 >= kMaxDepth) return FailAt(at, LineState::kDepth);
      const std::uint8_t closer = first + 2;  // true in ASCII for both kinds
      if (text[*cursor] == closer) {
        end = *cursor++ + std::size_t{1};
      } else {
        closers_[depth++] = closer;
        if (closer == '}') {
          const std::uint32_t* const member = SkipName(text, cursor, unusual_names);
          if (member == nullptr) return FailAt(*cursor, LineState::kSyntax);
          cursor = member;
        }
        continue;
      }
    } else {
      end = ScalarEnd(text, at);
    }
    if (end == 0) return FailAt(at, LineState::kSyntax);

    // The value has ended, and so may the containers around it.
    for (;; --depth) {
      if (depth == 0) {
        value.end = end;
        cursor_ = cursor;
        unusual_names_ |= unusual_names;
        return LineState::kMessage;
      }
      at = *cursor++;
      if (text[at] != closers_[depth - 1]) break;
      end = at + 1;
    }
    if (text[at] != ',') return FailAt(at, LineState::kSyntax);
    if (closers_[depth - 1] == '}') {
      const std::uint32_t* const member = SkipName(text, cursor, unusual_names);
      if (member == nullptr) return FailAt(*cursor, LineState::kSyntax);
      cursor = member;
    }
  }
}

// Every backslash of the line must begin an escape. Outside of a string it is not JSON either way.
bool LineChecker::CheckEscapes(std::size_t start, std::size_t end) {
  const std::size_t bad = FindBadEscape(text_, start, end);
  if (bad == end) return true;
  error_ = bad;
  return false;
}

// Go's decoder matches keys without regard to case, and the last match wins. A key that equals one of ours only
// that way would make the line another message to a Go peer, so it is ambiguous.
LineChecker::Key LineChecker::Identify(const Span& name) const {
  const std::uint8_t* const text = text_ + name.start;
  Key key = Key::kUnknown;
  switch (name.size()) {
    case 2:
      if (Same(text, "id", 2)) return Key::kId;
      if (Same(text, "ts", 2)) return Key::kTimestamp;
      if (SameFolded(text, "id") || SameFolded(text, "ts")) key = Key::kAmbiguous;
      break;
    case 3:
      if (Same(text, "seq", 3)) return Key::kSequence;
      if (SameFolded(text, "t\xc5\xbf")) key = Key::kAmbiguous;  // U+017F, the long s
      break;
    case 4:
      if (Same(text, "type", 4)) return Key::kType;
      if (SameFolded(text, "type")) key = Key::kAmbiguous;
      break;
    case 7:
      if (Same(text, "payload", 7)) return Key::kPayload;
      if (SameFolded(text, "payload")) key = Key::kAmbiguous;
      break;
    default: break;
  }
  return key == Key::kUnknown && has_escapes_ && HasEscapes(name) ? IdentifyEscaped(name) : key;
}

// A key may be written with escapes ("\u0074ype") and is the same key to every JSON parser. It must be to this one
// too, or a second `type` could hide from the check for duplicates. The short escapes stand for no character of our
// keys.
LineChecker::Key LineChecker::IdentifyEscaped(const Span& name) const {
  std::array<std::uint8_t, sizeof("payload")> decoded{};
  std::size_t length = 0;
  for (std::size_t i = name.start; i < name.end; ++i) {
    unsigned character = text_[i];
    if (character == '\\') {
      if (text_[++i] != 'u') return Key::kUnknown;
      character = 0;
      for (int digit = 0; digit < 4; ++digit) {
        character = character * 16 + static_cast<unsigned>(HexValue(text_[++i]));
      }
    } else if (character == 0xc5 && text_[i + 1] == 0xbf) {
      character = kLongS;
      ++i;
    }
    const bool long_s = character == kLongS;
    if (length == decoded.size() || (character > 0x7f && !long_s)) return Key::kUnknown;
    // Capital, so that it is equal to the letter that Go folds it to, but only then.
    decoded[length++] = long_s ? 'S' : static_cast<std::uint8_t>(character);
  }
  const std::string_view key(reinterpret_cast<const char*>(decoded.data()), length);
  if (key == "seq") return Key::kSequence;
  const std::array<std::pair<std::string_view, Key>, 4> keys = {
      {{"type", Key::kType}, {"id", Key::kId}, {"ts", Key::kTimestamp}, {"payload", Key::kPayload}}};
  for (const auto& [ours, identity] : keys) {
    if (key == ours) return identity;
    if (length == ours.size() && SameFolded(decoded.data(), ours)) return Key::kAmbiguous;
  }
  return Key::kUnknown;
}

}  // namespace sentinel
