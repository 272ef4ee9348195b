#include "line_checker.h"

#include <cstring>
#include <string_view>

namespace sentinel {
namespace {

constexpr std::uint8_t kObject = 1;
constexpr std::uint8_t kArray = 2;
constexpr std::int64_t kMaxSafeInteger = (std::int64_t{1} << 53) - 1;

bool IsDigit(std::uint8_t byte) { return byte >= '0' && byte <= '9'; }

bool IsBlank(std::uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n'; }

int HexValue(std::uint8_t byte) {
  if (IsDigit(byte)) return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

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

}  // namespace

void LineChecker::Check(std::size_t start, std::size_t end, bool ascii, std::int32_t* record) {
  start_ = start;
  end_ = end;
  error_ = start;
  seen_ = 0;
  canonical_ = true;
  canonical_next_ = start;

  LineState state = LineState::kSyntax;
  if (!has_escapes_ || CheckEscapes(start, end)) state = CheckEnvelope(record);

  record[FrameRecord::kState] = static_cast<std::int32_t>(state);
  record[FrameRecord::kLineStart] = static_cast<std::int32_t>(start + origin_);
  record[FrameRecord::kLineEnd] = static_cast<std::int32_t>(end + origin_);
  record[FrameRecord::kErrorOffset] = static_cast<std::int32_t>(error_ - start);
  if (ascii) record[FrameRecord::kFlags] |= FrameRecord::kAscii;
  if (canonical_ && canonical_next_ == end) record[FrameRecord::kFlags] |= FrameRecord::kCanonical;
  // The next line begins with its own positions, however far this one was followed.
  while (*cursor_ < end_) ++cursor_;
}

LineState LineChecker::CheckEnvelope(std::int32_t* record) {
  const std::size_t open = Next();
  if (open == end_) return FailAt(end_, LineState::kSyntax);
  if (text_[open] != '{') {
    Span value;
    --cursor_;
    if (LineState state = CheckValue(value); state != LineState::kMessage) return state;
    return FailAt(open, Next() == end_ ? LineState::kNotAnObject : LineState::kSyntax);
  }
  canonical_ = open == start_;
  canonical_next_ = open + 1;

  if (Peek() == '}') {
    Next();
  } else {
    for (;;) {
      if (LineState state = CheckMember(record); state != LineState::kMessage) return state;
      const std::size_t at = Next();
      if (at == end_) return FailAt(end_, LineState::kSyntax);
      canonical_ = canonical_ && at == canonical_next_;
      canonical_next_ = at + 1;
      if (text_[at] == '}') break;
      if (text_[at] != ',') return FailAt(at, LineState::kSyntax);
    }
  }
  if (const std::size_t more = Next(); more != end_) return FailAt(more, LineState::kSyntax);
  if (record[FrameRecord::kTypeStart] == record[FrameRecord::kTypeEnd]) return FailAt(open, LineState::kTypeMissing);
  canonical_ = canonical_ && (seen_ & (1U << static_cast<unsigned>(Key::kTimestamp))) != 0;
  return LineState::kMessage;
}

LineState LineChecker::CheckMember(std::int32_t* record) {
  Name name;
  if (LineState state = CheckName(name); state != LineState::kMessage) return state;
  const Key key = Identify(name.content);
  const auto place = static_cast<unsigned>(key);
  // Our encoder writes type, id, ts, payload, each right after the other.
  canonical_ = canonical_ && key != Key::kUnknown && (seen_ >> place) == 0 && name.quote == canonical_next_ &&
               name.colon == name.content.end + 1 && *cursor_ == name.colon + 1;
  if (key != Key::kUnknown) {
    if ((seen_ & (1U << place)) != 0) return FailAt(name.quote, LineState::kDuplicateKey);
    seen_ |= 1U << place;
  }
  return TakeField(key, record);
}

LineState LineChecker::CheckName(Name& name) {
  name.quote = Next();
  if (name.quote == end_ || text_[name.quote] != '"' || !CheckString(name.quote, name.content)) {
    return FailAt(name.quote, LineState::kSyntax);
  }
  name.colon = Next();
  if (name.colon == end_ || text_[name.colon] != ':') return FailAt(name.colon, LineState::kSyntax);
  return LineState::kMessage;
}

LineState LineChecker::TakeField(Key key, std::int32_t* record) {
  switch (key) {
    case Key::kType: {
      const LineState state =
          TakeString(record, FrameRecord::kTypeStart, FrameRecord::kTypeEscaped, LineState::kTypeInvalid);
      if (state != LineState::kMessage) return state;
      const auto start = static_cast<std::size_t>(record[FrameRecord::kTypeStart]) - origin_;
      const auto end = static_cast<std::size_t>(record[FrameRecord::kTypeEnd]) - origin_;
      record[FrameRecord::kTypeCode] = static_cast<std::int32_t>(TypeOf(text_ + start, end - start));
      return state;
    }
    case Key::kId: {
      const LineState state =
          TakeString(record, FrameRecord::kIdStart, FrameRecord::kIdEscaped, LineState::kIdInvalid);
      // The encoder leaves an empty id out.
      canonical_ = canonical_ && record[FrameRecord::kIdStart] != record[FrameRecord::kIdEnd];
      return state;
    }
    case Key::kTimestamp:
      return TakeTimestamp(record);
    case Key::kPayload:
    case Key::kUnknown: {
      Span value;
      const LineState state = CheckValue(value);
      canonical_next_ = value.end;
      if (key == Key::kPayload) {
        record[FrameRecord::kPayloadStart] = static_cast<std::int32_t>(value.start + origin_);
        record[FrameRecord::kPayloadEnd] = static_cast<std::int32_t>(value.end + origin_);
      }
      return state;
    }
  }
  return LineState::kSyntax;
}

LineState LineChecker::TakeString(std::int32_t* record, std::size_t start_word, std::int32_t escaped_flag,
                                  LineState otherwise) {
  if (Peek() != '"') {
    Span value;
    const std::size_t at = *cursor_ < end_ ? *cursor_ : end_;
    if (LineState state = CheckValue(value); state != LineState::kMessage) return state;
    return FailAt(at, otherwise);
  }
  const std::size_t quote = Next();
  Span content;
  if (!CheckString(quote, content)) return FailAt(quote, LineState::kSyntax);
  record[start_word] = static_cast<std::int32_t>(content.start + origin_);
  record[start_word + 1] = static_cast<std::int32_t>(content.end + origin_);
  if (has_escapes_ && std::memchr(text_ + content.start, '\\', content.end - content.start) != nullptr) {
    record[FrameRecord::kFlags] |= escaped_flag;
    canonical_ = false;
  }
  canonical_next_ = content.end + 1;
  return LineState::kMessage;
}

LineState LineChecker::TakeTimestamp(std::int32_t* record) {
  Span value;
  if (LineState state = CheckValue(value); state != LineState::kMessage) return state;
  const bool negative = text_[value.start] == '-';
  std::int64_t seconds = 0;
  for (std::size_t i = value.start + (negative ? 1 : 0); i < value.end; ++i) {
    if (!IsDigit(text_[i])) return FailAt(value.start, LineState::kTimestampInvalid);
    seconds = seconds * 10 + (text_[i] - '0');
    if (seconds > kMaxSafeInteger) return FailAt(value.start, LineState::kTimestampInvalid);
  }
  if (negative) {
    canonical_ = canonical_ && seconds != 0;
    seconds = -seconds;
  }
  const auto bits = static_cast<std::uint64_t>(seconds);
  record[FrameRecord::kTimestampLow] = static_cast<std::int32_t>(bits & 0xffffffffU);
  record[FrameRecord::kTimestampHigh] = static_cast<std::int32_t>(bits >> 32U);
  canonical_next_ = value.end;
  return LineState::kMessage;
}

LineState LineChecker::CheckValue(Span& value) {
  value.start = *cursor_ < end_ ? *cursor_ : end_;
  std::size_t depth = 0;
  for (bool more = true; more;) {
    const std::size_t at = Next();
    if (at == end_) return FailAt(end_, LineState::kSyntax);
    const bool object = text_[at] == '{';
    if (!object && text_[at] != '[') {
      if (LineState state = CheckScalar(at, value); state != LineState::kMessage) return state;
    } else if (Peek() == (object ? '}' : ']')) {
      value.end = Next() + 1;
    } else {
      // The envelope itself is the first level.
      if (depth + 1 >= kMaxDepth) return FailAt(at, LineState::kDepth);
      containers_[depth++] = object ? kObject : kArray;
      Name name;
      if (object) {
        if (LineState state = CheckName(name); state != LineState::kMessage) return state;
      }
      continue;
    }
    if (LineState state = CloseContainers(depth, value, more); state != LineState::kMessage) return state;
  }
  return LineState::kMessage;
}

LineState LineChecker::CloseContainers(std::size_t& depth, Span& value, bool& more) {
  while (depth > 0) {
    const std::size_t at = Next();
    if (at == end_) return FailAt(end_, LineState::kSyntax);
    const bool object = containers_[depth - 1] == kObject;
    if (text_[at] == (object ? '}' : ']')) {
      --depth;
      value.end = at + 1;
      continue;
    }
    if (text_[at] != ',') return FailAt(at, LineState::kSyntax);
    Name name;
    return object ? CheckName(name) : LineState::kMessage;
  }
  more = false;
  return LineState::kMessage;
}

LineState LineChecker::CheckScalar(std::size_t at, Span& value) {
  bool valid = false;
  switch (text_[at]) {
    case '"': {
      Span content;
      valid = CheckString(at, content);
      value.end = content.end + 1;
      break;
    }
    case 't': valid = CheckLiteral(at, "true", 4, value.end); break;
    case 'f': valid = CheckLiteral(at, "false", 5, value.end); break;
    case 'n': valid = CheckLiteral(at, "null", 4, value.end); break;
    default: valid = CheckNumber(at, value.end); break;
  }
  return valid ? LineState::kMessage : FailAt(at, LineState::kSyntax);
}

bool LineChecker::CheckString(std::size_t at, Span& content) {
  // Stage one has found that the string is closed and holds no control character. It names no closing quotes,
  // but only blanks can stand between one and the next structural character.
  std::size_t last = (*cursor_ < end_ ? *cursor_ : end_) - 1;
  while (last > at && IsBlank(text_[last])) --last;
  if (last <= at || text_[last] != '"') return false;
  content = {at + 1, last};
  return true;
}

bool LineChecker::EndsScalar(std::size_t at) const {
  const std::uint8_t byte = text_[at];
  return byte == ',' || byte == '}' || byte == ']' || IsBlank(byte);
}

bool LineChecker::CheckLiteral(std::size_t at, const char* literal, std::size_t length,
                               std::size_t& literal_end) const {
  literal_end = at + length;
  return literal_end <= end_ && Same(text_ + at, literal, length) && EndsScalar(literal_end);
}

// -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?  No look past the line: its ending is no digit.
bool LineChecker::CheckNumber(std::size_t at, std::size_t& number_end) const {
  std::size_t i = at;
  if (text_[i] == '-') ++i;
  if (!IsDigit(text_[i])) return false;
  if (text_[i] == '0') {
    ++i;
  } else {
    while (IsDigit(text_[i])) ++i;
  }
  if (text_[i] == '.') {
    ++i;
    if (!IsDigit(text_[i])) return false;
    while (IsDigit(text_[i])) ++i;
  }
  if (text_[i] == 'e' || text_[i] == 'E') {
    ++i;
    if (text_[i] == '+' || text_[i] == '-') ++i;
    if (!IsDigit(text_[i])) return false;
    while (IsDigit(text_[i])) ++i;
  }
  number_end = i;
  return EndsScalar(i);
}

// Every backslash of the line must begin an escape. One outside of a string is no JSON either way.
bool LineChecker::CheckEscapes(std::size_t start, std::size_t end) {
  std::size_t i = start;
  while (i < end) {
    const void* found = std::memchr(text_ + i, '\\', end - i);
    if (found == nullptr) return true;
    i = static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - text_);
    error_ = i;
    if (i + 1 >= end) return false;
    switch (text_[i + 1]) {
      case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        i += 2;
        break;
      case 'u':
        if (i + 6 > end) return false;
        for (std::size_t digit = i + 2; digit < i + 6; ++digit) {
          if (HexValue(text_[digit]) < 0) return false;
        }
        i += 6;
        break;
      default:
        return false;
    }
  }
  return true;
}

LineChecker::Key LineChecker::Identify(const Span& content) const {
  const std::uint8_t* name = text_ + content.start;
  const std::size_t length = content.end - content.start;
  switch (length) {
    case 2:
      if (Same(name, "id", 2)) return Key::kId;
      if (Same(name, "ts", 2)) return Key::kTimestamp;
      return Key::kUnknown;
    case 4:
      if (Same(name, "type", 4)) return Key::kType;
      return Key::kUnknown;
    case 7:
      if (Same(name, "payload", 7)) return Key::kPayload;
      break;
    default:
      break;
  }
  if (has_escapes_ && std::memchr(name, '\\', length) != nullptr) return IdentifyEscaped(content);
  return Key::kUnknown;
}

// A key may be written with escapes ("\u0074ype") and is the same key to every JSON parser, so it must be to us:
// otherwise a second `type` could hide from the check for duplicates.
LineChecker::Key LineChecker::IdentifyEscaped(const Span& content) const {
  char name[8];
  std::size_t length = 0;
  for (std::size_t i = content.start; i < content.end; ++i) {
    unsigned character = text_[i];
    if (character == '\\') {
      ++i;
      character = text_[i];  // none of the short escapes but \/ \\ \" gives a character of a key of ours, nor do these
      if (character == 'u') {
        character = 0;
        for (int digit = 0; digit < 4; ++digit) {
          ++i;
          character = character * 16 + static_cast<unsigned>(HexValue(text_[i]));
        }
      } else {
        return Key::kUnknown;
      }
    }
    if (length == sizeof(name) || character > 0x7f) return Key::kUnknown;
    name[length++] = static_cast<char>(character);
  }
  const std::string_view key(name, length);
  if (key == "type") return Key::kType;
  if (key == "id") return Key::kId;
  if (key == "ts") return Key::kTimestamp;
  if (key == "payload") return Key::kPayload;
  return Key::kUnknown;
}

}  // namespace sentinel
