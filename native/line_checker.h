// Checks one line against JSON (RFC 8259) and the envelope of a SOC message, walking the positions of
// structural characters that simdjson's first stage found. Finds where the parts are and converts nothing:
// numbers of any size pass, as their text does. Must not know streams or batches.

#ifndef SENTINEL_LINE_CHECKER_H_
#define SENTINEL_LINE_CHECKER_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "frame_record.h"

namespace sentinel {

class LineChecker {
 public:
  static constexpr std::size_t kMaxDepth = 256;

  // `text` is the start of the block that `structurals` speaks of. `structurals` ends with a value that no line
  // of the block reaches.
  LineChecker(const std::uint8_t* text, const std::uint32_t* structurals, bool has_escapes, std::size_t origin)
      : text_(text), cursor_(structurals), has_escapes_(has_escapes), origin_(origin) {}

  // Checks [start, end), which holds no newline but is followed by a line ending, and fills the record, whose
  // positions count from `origin` bytes before the block. Lines must be given in their order.
  void Check(std::size_t start, std::size_t end, bool ascii, std::int32_t* record);

 private:
  struct Span {
    std::size_t start = 0;
    std::size_t end = 0;
  };
  struct Name {
    Span content;
    std::size_t quote = 0;
    std::size_t colon = 0;
  };
  enum class Key : unsigned { kType = 0, kId = 1, kTimestamp = 2, kPayload = 3, kUnknown = 4 };

  LineState CheckEnvelope(std::int32_t* record);
  LineState CheckMember(std::int32_t* record);
  LineState TakeField(Key key, std::int32_t* record);
  LineState TakeString(std::int32_t* record, std::size_t start_word, std::int32_t escaped_flag, LineState otherwise);
  LineState TakeTimestamp(std::int32_t* record);
  // A member's name with its colon.
  LineState CheckName(Name& name);
  LineState CheckValue(Span& value);
  // What follows a value inside of containers; `more` tells whether another value must come.
  LineState CloseContainers(std::size_t& depth, Span& value, bool& more);
  LineState CheckScalar(std::size_t at, Span& value);
  bool CheckString(std::size_t at, Span& content);
  bool CheckNumber(std::size_t at, std::size_t& number_end) const;
  bool CheckLiteral(std::size_t at, const char* literal, std::size_t length, std::size_t& literal_end) const;
  bool CheckEscapes(std::size_t start, std::size_t end);
  bool EndsScalar(std::size_t at) const;
  Key Identify(const Span& content) const;
  Key IdentifyEscaped(const Span& content) const;

  // The next structural position of this line, consumed; end_ when there is none.
  std::size_t Next() {
    const std::size_t at = *cursor_;
    if (at >= end_) return end_;
    ++cursor_;
    return at;
  }
  // The character at the next structural position, not consumed; a newline when there is none.
  std::uint8_t Peek() const { return *cursor_ < end_ ? text_[*cursor_] : std::uint8_t{'\n'}; }
  LineState FailAt(std::size_t at, LineState state) {
    error_ = at;
    return state;
  }

  const std::uint8_t* const text_;
  const std::uint32_t* cursor_;
  const bool has_escapes_;
  const std::size_t origin_;

  // Of the line under way.
  std::size_t start_ = 0;
  std::size_t end_ = 0;
  std::size_t error_ = 0;
  unsigned seen_ = 0;            // bit per Key
  bool canonical_ = false;
  std::size_t canonical_next_ = 0;  // where the next byte of a canonical line must be
  std::array<std::uint8_t, kMaxDepth> containers_{};
};

}  // namespace sentinel

#endif  // SENTINEL_LINE_CHECKER_H_
