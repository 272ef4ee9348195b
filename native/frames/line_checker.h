// Checks one line against the envelope of a SOC message and, with json_walker.h, against JSON. Finds where the
// parts are and converts nothing: numbers of any size pass, as text. Must not know streams or batches.

#ifndef SENTINEL_LINE_CHECKER_H_
#define SENTINEL_LINE_CHECKER_H_

#include <cstddef>
#include <cstdint>

#include "frames/envelope.h"
#include "frames/field_finder.h"
#include "frames/frame_record.h"
#include "frames/json_walker.h"
#include "frames/own_form.h"

namespace sentinel {

class LineChecker {
 public:
  // `text` is the start of the block that the positions in `structurals` count from. Three more
  // values must follow the last position, each that of a newline at or behind the end of every
  // line. `finder` is null if no fields are requested.
  LineChecker(const std::uint8_t* text, const std::uint32_t* structurals, bool has_escapes, std::size_t origin,
              FieldFinder* finder)
      : walker_(text, structurals), has_escapes_(has_escapes), origin_(origin), finder_(finder) {}

  // Checks [start, end), which holds no newline but is followed by a line ending, and fills the record, whose
  // positions count from `origin` bytes before the block. Lines must be given in order, each after the
  // finder's Begin. Returns false if the line is not a message; then no further line may be checked, and if the
  // block has other lines, they may have influenced the record.
  bool Check(std::size_t start, std::size_t end, bool ascii, std::int32_t* record);
  // Skips a line that ends at `end` instead.
  void Skip(std::size_t end) {
    while (*walker_.cursor < end) ++walker_.cursor;
  }

 private:
  LineState CheckEnvelope(std::size_t end, Envelope& envelope);
  LineState CheckMember(Envelope& envelope);
  LineState TakeString(Span& content, LineState otherwise);
  LineState TakeTimestamp(Envelope& envelope);
  LineState TakeSequence(Envelope& envelope);
  LineState TakeExtra(std::size_t start, Envelope& envelope);
  LineState CheckPayload(Envelope& envelope);
  LineState CheckValue(Span& value);
  bool CheckEscapes(std::size_t start, std::size_t end);
  bool HasEscapes(const Span& span) const;
  std::int32_t FlagsOf(const Envelope& envelope, std::size_t line_start, std::size_t line_end) const;

  JsonWalker walker_;
  const bool has_escapes_;
  const std::size_t origin_;
  FieldFinder* const finder_;
  std::size_t first_escape_ = 0;  // of the line, or its end; only set if the block has escapes
  RareMembers rare_;
  OwnForm own_form_;
};

}  // namespace sentinel

#endif  // SENTINEL_LINE_CHECKER_H_
