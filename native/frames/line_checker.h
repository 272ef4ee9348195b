// Checks one line against JSON (RFC 8259) and the envelope of a SOC message by walking the positions of structural
// characters that simdjson's first stage found. Finds where the parts are and converts nothing: numbers of any size
// pass, as text. Must not know streams or batches.

#ifndef SENTINEL_LINE_CHECKER_H_
#define SENTINEL_LINE_CHECKER_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "frames/frame_record.h"

namespace sentinel {

class LineChecker {
 public:
  static constexpr std::size_t kMaxDepth = 256;

  // `text` is the start of the block that the positions in `structurals` count from. Three more values must follow
  // the last position, each that of a newline at or behind the end of every line.
  LineChecker(const std::uint8_t* text, const std::uint32_t* structurals, bool has_escapes, std::size_t origin)
      : text_(text), cursor_(structurals), has_escapes_(has_escapes), origin_(origin) {}

  // Checks [start, end), which holds no newline but is followed by a line ending, and fills the record, whose
  // positions count from `origin` bytes before the block. Lines must be given in order. Returns false if the line
  // is not a message; then no further line may be checked, and if the block has other lines, they may have
  // influenced the record.
  bool Check(std::size_t start, std::size_t end, bool ascii, std::int32_t* record);
  // Skips a line that ends at `end` instead.
  void Skip(std::size_t end) {
    while (*cursor_ < end) ++cursor_;
  }

 private:
  struct Span {
    std::size_t start = 0;
    std::size_t end = 0;
    std::size_t size() const { return end - start; }
  };
  enum class Key : unsigned {
    kType = 0,
    kId = 1,
    kTimestamp = 2,
    kPayload = 3,
    kSequence = 4,
    kUnknown = 5,
    kAmbiguous = 6
  };
  struct Envelope {
    Span type;  // within the quotes, as that of id
    Span id;
    Span timestamp;
    Span payload;
    std::int64_t seconds = 0;
    std::uint64_t sequence = 0;
    unsigned seen = 0;  // bit per Key
    bool own = false;   // up to the payload it reads as our encoder writes it
  };

  LineState CheckEnvelope(std::size_t end, Envelope& envelope);
  bool TakeOwnEnvelope(std::size_t end, Envelope& envelope);
  bool TakeOwnSequence(std::size_t end, Envelope& envelope);
  LineState CheckMember(Envelope& envelope);
  LineState TakeString(Span& content, LineState otherwise);
  LineState TakeTimestamp(Envelope& envelope);
  LineState TakeSequence(Envelope& envelope);
  LineState CheckValue(Span& value);
  bool CheckEscapes(std::size_t start, std::size_t end);
  bool HasEscapes(const Span& span) const;
  Key Identify(const Span& name) const;
  Key IdentifyEscaped(const Span& name) const;
  std::int32_t FlagsOf(const Envelope& envelope, std::size_t line_start, std::size_t line_end) const;

  LineState FailAt(std::size_t at, LineState state) {
    error_ = at;
    return state;
  }

  const std::uint8_t* const text_;
  // The next structural position. Within a line it advances without regard to the line's end. If it leaves the
  // line, either it meets a newline, which fits nowhere, or the envelope closes behind the end, which is checked
  // once.
  const std::uint32_t* cursor_;
  const bool has_escapes_;
  const std::size_t origin_;
  std::uint32_t unusual_names_ = 0;  // of the line: the highest bit is set if one may be `__proto__`
  std::size_t error_ = 0;
  std::array<std::uint8_t, kMaxDepth> closers_{};  // of the containers around a value, the innermost last
};

}  // namespace sentinel

#endif  // SENTINEL_LINE_CHECKER_H_
