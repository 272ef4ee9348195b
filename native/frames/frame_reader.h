// Turns the bytes of one connection, however they were split on the way, into records of checked lines.
// Keeps the unfinished last line between reads; no byte is looked at twice for its newline, and a line over
// the limit is thrown away in constant memory. std and simdjson only, so that it can be fuzzed alone.

#ifndef SENTINEL_FRAME_READER_H_
#define SENTINEL_FRAME_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "frames/frame_record.h"
#include "frames/line_scanner.h"

namespace sentinel {

class FrameReader;

// Memory that all connections of an environment read into, one at a time. The unfinished line of the one that read
// last stays where it came to, and new bytes come right behind it; it is copied away when another connection reads.
struct ReadWindow {
  static constexpr std::size_t kSlack = 1;  // for the newline that the end of a stream leaves out

  std::uint8_t* bytes = nullptr;
  std::size_t capacity = 0;
  // Whose unfinished line stands at [begin, end); nobody's if it is null.
  FrameReader* holder = nullptr;
  std::size_t begin = 0;
  std::size_t end = 0;

  // Other memory from now on, to whose start an unfinished line moves. False: it does not fit, and nothing has
  // changed.
  bool Attach(std::uint8_t* other_bytes, std::size_t other_capacity);
};

class FrameReader {
 public:
  struct Room {
    std::size_t begin = 0;
    std::size_t size = 0;
  };
  struct Progress {
    std::size_t text_begin = 0;  // the records of this step lie in [text_begin, text_end) of the window
    std::size_t text_end = 0;
    bool more = false;  // the sink was too small: call Continue before anything else happens to the window
  };

  explicit FrameReader(std::shared_ptr<ReadWindow> window) : window_(std::move(window)) {}
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  ~FrameReader();

  // How long a line may be, without its ending. Before anything else, or when it is idle.
  void SetLimit(std::size_t max_line_bytes) { max_line_bytes_ = max_line_bytes; }

  // Where the next bytes of this connection go. Of size 0 when there is no room for `least` bytes: then a window is
  // wanted that takes carried() + least + kSlack.
  Room Prepare(std::size_t least);
  // Takes `size` bytes that stand where Prepare said.
  Progress Push(std::size_t size, LineScanner& scanner, RecordSink& sink);
  Progress Continue(LineScanner& scanner, RecordSink& sink);
  // The stream has ended: a last line without a newline counts if it is whole (as Go's bufio.Scanner has it),
  // and is reported as truncated if not. After a Prepare that gave room.
  Progress Finish(LineScanner& scanner, RecordSink& sink);

  // Bytes of an unfinished line that are kept.
  std::size_t carried() const;
  // Nothing of the stream so far bears on what comes next: as good as new.
  bool idle() const { return carried() == 0 && !discarding_; }

 private:
  // Looks at [begin, end) for lines, of which a first one may have begun before `fresh`.
  Progress TakeBytes(std::size_t begin, std::size_t fresh, std::size_t end, LineScanner& scanner, RecordSink& sink);
  Progress ScanLines(std::size_t begin, LineScanner& scanner, RecordSink& sink);
  // Keeps [begin, end), which holds no newline, for the next time; what stands before `fresh` is kept already.
  void Keep(std::size_t begin, std::size_t fresh, std::size_t end, RecordSink& sink);
  // Puts what was copied away in front of the bytes that follow it, where there is room for it.
  void Rejoin(std::size_t begin);
  // Copies the unfinished line away.
  void Yield();
  bool ExceedsLimit(std::size_t line_bytes, std::uint8_t last_byte) const;

  const std::shared_ptr<ReadWindow> window_;
  std::size_t max_line_bytes_ = 0;
  std::vector<std::uint8_t> carry_;  // the unfinished line, unless the window has it
  bool discarding_ = false;          // within a line that was reported as too large
  std::size_t next_ = 0;             // where Continue goes on,
  std::size_t lines_end_ = 0;        // where the lines end that it goes on with,
  std::size_t end_ = 0;              // and where the bytes end
};

}  // namespace sentinel

#endif  // SENTINEL_FRAME_READER_H_
