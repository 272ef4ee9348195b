// Walks one JSON value (RFC 8259) along the positions of structural characters that simdjson's first stage found,
// and checks its grammar. Reports the place of each part to a visitor, which the compiler inlines. Must not know
// envelopes, records or streams.

#ifndef SENTINEL_JSON_WALKER_H_
#define SENTINEL_JSON_WALKER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "abi/abi.h"

namespace sentinel {

struct Span {
  std::size_t start = 0;
  std::size_t end = 0;
  std::size_t size() const { return end - start; }
};

inline bool IsDigit(std::uint8_t byte) { return static_cast<std::uint8_t>(byte - '0') < 10; }

inline bool IsBlank(std::uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n'; }

inline bool EndsScalar(std::uint8_t byte) { return byte == ',' || byte == '}' || byte == ']' || IsBlank(byte); }

// Returns the position just past the string that opens at `at`, or 0 if it is not a string. `next` is the
// structural position after it. Stage one has checked that the string is closed and holds no control character. It
// reports no closing quotes, but only blanks can stand between one and the next structural character.
inline std::size_t StringEnd(const std::uint8_t* text, std::size_t at, std::size_t next) {
  std::size_t last = next - 1;
  while (IsBlank(text[last])) --last;  // stops at the opening quote at the latest
  return last > at && text[last] == '"' ? last + 1 : 0;
}

// -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?  Returns the position just past it, or 0. Stops at a line ending,
// which is not a digit.
inline std::size_t NumberEnd(const std::uint8_t* text, std::size_t at) {
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
inline std::size_t LiteralEnd(const std::uint8_t* text, std::size_t at, std::string_view literal) {
  for (const char character : literal) {
    if (text[at] != static_cast<std::uint8_t>(character)) return 0;
    ++at;
  }
  return EndsScalar(text[at]) ? at : 0;
}

inline std::size_t ScalarEnd(const std::uint8_t* text, std::size_t at) {
  switch (text[at]) {
    case 't': return LiteralEnd(text, at, "true");
    case 'f': return LiteralEnd(text, at, "false");
    case 'n': return LiteralEnd(text, at, "null");
    default: return NumberEnd(text, at);
  }
}

// The visitor of a value whose parts do not matter. `depth` is the number of containers around a value, within the
// value that is walked.
struct NoVisitor {
  // A string, a number, a literal, or an empty container.
  void Scalar(std::size_t, std::size_t) {}
  // A container that is not empty.
  void Open(std::size_t /*depth*/, std::size_t /*start*/) {}
  void Close(std::size_t /*depth*/, std::size_t /*end*/) {}
  // The value of a name, or the next element of an array, comes next. `depth` is that of the container; `quote`
  // opens the name, and the colon follows it.
  void Name(std::size_t /*depth*/, const std::uint8_t* /*text*/, std::size_t /*quote*/, std::size_t /*colon*/) {}
  void Element(std::size_t /*depth*/) {}
};

struct JsonWalker {
  static constexpr std::size_t kMaxDepth = 256;  // of a line: the envelope is the first level
  static constexpr std::size_t kLongNumber = 16;

  const std::uint8_t* const text;
  // The next structural position. Within a line it advances without regard to the line's end. If it leaves the
  // line, either it meets a newline, which fits nowhere, or the envelope closes behind the end, which is checked
  // once.
  const std::uint32_t* cursor;
  std::size_t error = 0;  // where the last failure is
  // Since it was last set to 0: the highest bit is set if a name may be `__proto__`.
  std::uint32_t unusual_names = 0;
  bool long_number = false;  // since it was last set to false: a number took kLongNumber characters or more
  // The closing characters of the containers around a value, the innermost last. Written when a
  // container opens.
  std::array<std::uint8_t, kMaxDepth> closers;

  JsonWalker(const std::uint8_t* bytes, const std::uint32_t* structurals) : text(bytes), cursor(structurals) {}

  LineState FailAt(std::size_t at, LineState state) {
    error = at;
    return state;
  }

  // Returns the cursor just past a member's name and its colon, or nullptr. Sets the highest bit of `unusual` for a
  // name that may be `__proto__`: however that is written, it begins with an underscore or a backslash. (Two other
  // characters, with which names hardly ever begin, count too.)
  static const std::uint32_t* SkipName(const std::uint8_t* text, const std::uint32_t* cursor,
                                       std::uint32_t& unusual) {
    const std::size_t quote = cursor[0];
    if (text[quote] != '"') return nullptr;
    const std::size_t colon = cursor[1];
    unusual |= ((text[quote + 1] >> 2U) ^ (std::uint32_t{'_'} >> 2U)) - 1;
    return text[colon] == ':' && StringEnd(text, quote, colon) != 0 ? cursor + 2 : nullptr;
  }

  // Begins the next item of the container that ends with `closer`: reports it, and returns the cursor at its value,
  // or nullptr for a member without a valid name. `depth` is that of the container.
  template <typename Visitor>
  static const std::uint32_t* BeginItem(const std::uint8_t* text, const std::uint32_t* cursor, std::uint8_t closer,
                                        std::size_t depth, std::uint32_t& unusual, Visitor& visitor) {
    if (closer != '}') {
      visitor.Element(depth);
      return cursor;
    }
    const std::uint32_t* const value = SkipName(text, cursor, unusual);
    if (value != nullptr) visitor.Name(depth, text, cursor[0], cursor[1]);
    return value;
  }

  // Walks the value at the cursor, and sets `value` to where it is.
  template <typename Visitor>
  LineState Walk(Span& value, Visitor& visitor);
};

template <typename Visitor>
LineState JsonWalker::Walk(Span& value, Visitor& visitor) {
  // In registers: a check spends most of its time here.
  const std::uint8_t* const bytes = text;
  const std::uint32_t* next = cursor;
  std::uint32_t names = 0;
  std::size_t depth = 0;
  value.start = *next;
  for (;;) {
    // A value begins here.
    std::size_t at = *next++;
    const std::uint8_t first = bytes[at];
    std::size_t end = 0;
    if (first == '"') {
      end = StringEnd(bytes, at, *next);
    } else if (first == '{' || first == '[') {
      // The envelope itself is the first level.
      if (depth + 1 >= kMaxDepth) return FailAt(at, LineState::kDepth);
      const std::uint8_t closer = first + 2;  // true in ASCII for both kinds
      if (bytes[*next] == closer) {
        end = *next++ + std::size_t{1};
      } else {
        visitor.Open(depth, at);
        closers[depth++] = closer;
        const std::uint32_t* const item = BeginItem(bytes, next, closer, depth - 1, names, visitor);
        if (item == nullptr) return FailAt(*next, LineState::kSyntax);
        next = item;
        continue;
      }
    } else {
      end = ScalarEnd(bytes, at);
      if (end - at >= kLongNumber) long_number = true;
    }
    if (end == 0) return FailAt(at, LineState::kSyntax);
    visitor.Scalar(at, end);

    // The value has ended, and so may the containers around it.
    for (;; --depth) {
      if (depth == 0) {
        value.end = end;
        cursor = next;
        unusual_names |= names;
        return LineState::kMessage;
      }
      at = *next++;
      if (bytes[at] != closers[depth - 1]) break;
      end = at + 1;
      visitor.Close(depth - 1, end);
    }
    if (bytes[at] != ',') return FailAt(at, LineState::kSyntax);
    const std::uint32_t* const item = BeginItem(bytes, next, closers[depth - 1], depth - 1, names, visitor);
    if (item == nullptr) return FailAt(*next, LineState::kSyntax);
    next = item;
  }
}

}  // namespace sentinel

#endif  // SENTINEL_JSON_WALKER_H_
