// Turns the bytes of one connection, however they were split on the way, into records of checked lines.
// Keeps the unfinished last line between reads; no byte is looked at twice for its newline, and a line over
// the limit is thrown away in constant memory. std and simdjson only, so that it can be fuzzed alone.

#ifndef SENTINEL_FRAME_READER_H_
#define SENTINEL_FRAME_READER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "frame_record.h"
#include "line_scanner.h"

namespace sentinel {

// Memory that all connections of an environment read into, one at a time: new bytes arrive at `read_begin`,
// and the unfinished line of that connection is put in front of them, so that every line is whole in one
// place. `read_begin` is at least the longest line plus kSlack.
struct ReadWindow {
  // The first bytes of a line that was thrown away are shown at the very start of the window.
  static constexpr std::size_t kSampleBytes = 64;
  static constexpr std::size_t kSlack = kSampleBytes + 1;  // and the \r of a line at the limit
  std::uint8_t* bytes = nullptr;
  std::size_t read_begin = 0;
  std::size_t read_capacity = 0;
};

class FrameReader {
 public:
  struct Progress {
    std::size_t text_begin = 0;  // the records of this step lie in [text_begin, text_end) of the window
    std::size_t text_end = 0;
    bool more = false;  // the sink was too small: call Continue before anything else happens to the window
  };

  // max_line_bytes: without the line ending. At most window.read_begin - kSlack.
  explicit FrameReader(std::size_t max_line_bytes) : max_line_bytes_(max_line_bytes) {}

  // Takes `size` bytes that stand at window.read_begin.
  Progress Push(const ReadWindow& window, std::size_t size, LineScanner& scanner, RecordSink& sink);
  Progress Continue(const ReadWindow& window, LineScanner& scanner, RecordSink& sink);
  // The stream has ended: a last line without a newline counts if it is whole (as Go's bufio.Scanner has it),
  // and is reported as truncated if not.
  Progress Finish(const ReadWindow& window, LineScanner& scanner, RecordSink& sink);

  // Bytes of an unfinished line that are kept.
  std::size_t carried() const { return carry_.size(); }
  // Nothing of the stream so far bears on what comes next: as good as new.
  bool idle() const { return carry_.empty() && !discarding_; }

 private:
  Progress ScanLines(const ReadWindow& window, std::size_t begin, std::size_t end, LineScanner& scanner,
                     RecordSink& sink);
  // Puts the kept line in front of the bytes that end it, which come up to the first newline in
  // [read_begin, end). Answers where the next line to look at starts; `end` when there is none.
  std::size_t JoinCarry(const ReadWindow& window, std::size_t end, RecordSink& sink);
  // Keeps [begin, end), which holds no newline, for the next time.
  void Keep(const ReadWindow& window, std::size_t begin, std::size_t end, RecordSink& sink);
  bool ExceedsLimit(std::size_t line_bytes, std::uint8_t last_byte) const;
  // Shows the first bytes of the kept line, then forgets it.
  void ReportCarryTooLarge(const ReadWindow& window, RecordSink& sink);

  const std::size_t max_line_bytes_;
  std::vector<std::uint8_t> carry_;
  bool discarding_ = false;  // within a line that was reported as too large
  std::size_t next_ = 0;     // where Continue goes on
  std::size_t end_ = 0;      // and where the bytes end
};

}  // namespace sentinel

#endif  // SENTINEL_FRAME_READER_H_
