// Turns the bytes of one connection, regardless of how they were split in transit, into records of
// checked lines. Keeps the unfinished last line between reads. No byte is searched twice for a
// newline, and a line over the limit is discarded in constant memory. std and simdjson only, so
// that it can be fuzzed alone.

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

// Memory that all connections of an environment read into, one at a time. The unfinished line of the connection
// that read last stays in place, and its next bytes are read right behind it. It is copied out when another
// connection reads.
struct ReadWindow {
  static constexpr std::size_t kSlack = 1;  // for the newline that the last line of a stream may lack

  std::uint8_t* bytes = nullptr;
  std::size_t capacity = 0;
  // The reader whose unfinished line stands at [begin, end), or null.
  FrameReader* holder = nullptr;
  std::size_t begin = 0;
  std::size_t end = 0;

  // Moves to other memory, with the unfinished line at its start. Returns false, and changes nothing, if that does
  // not fit.
  bool Attach(std::uint8_t* other_bytes, std::size_t other_capacity);
};

//            Push                    Push or Continue with more lines than the sink takes
//   idle ──────────> within a line ──────────────> scanning ── Suspend ──> suspended
//    ^ <───────────────┘ │  newline                   │ ^──── Continue ───────┘
//    │                   └─ too long ─> discarding    │
//    └───────────────────── newline ───────┘ <────────┘  all lines scanned
class FrameReader {
 public:
  // How much of the start of the stream has been seen.
  //
  //   kNothing ── a byte order mark ──> kAfterMark ── the first record ──> kPast
  //      └──────────────────── any other line ──────────────────────────────^
  enum class Start : std::uint8_t { kNothing, kAfterMark, kPast };

  struct Room {
    std::size_t begin = 0;
    std::size_t size = 0;
  };
  struct Progress {
    std::size_t text_begin = 0;  // the lines of this step lie in [text_begin, text_end) of the window
    std::size_t text_end = 0;
    bool more = false;  // the sink was too small: call Continue or Suspend before the window is used otherwise
  };

  explicit FrameReader(std::shared_ptr<ReadWindow> window) : window_(std::move(window)) {}
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  ~FrameReader();

  // Takes over a stream. The fields must outlive it. Only while idle.
  void Begin(const LineRules& rules, Start start) {
    rules_ = rules;
    start_ = start;
  }

  // Returns where the next bytes of this connection go. Its size is 0 if there is no room for `least` bytes; the
  // window must then be replaced by one of carried() + least + kSlack bytes.
  Room Prepare(std::size_t least);
  // Takes `size` bytes at the place that Prepare returned.
  Progress Push(std::size_t size, LineScanner& scanner, RecordSink& sink);
  // Continues with the lines that the last step left. After a Suspend it needs a Prepare(0) that
  // returned room.
  Progress Continue(LineScanner& scanner, RecordSink& sink);
  // Keeps the lines that the last step left for a later Continue, so that other connections may use the window.
  void Suspend();
  // Ends the stream. A last line without a newline counts if it is whole, as in Go's bufio.Scanner; otherwise it is
  // reported as truncated. Needs a Prepare(1) that returned room.
  Progress Finish(LineScanner& scanner, RecordSink& sink);

  // Bytes that are kept: of an unfinished line, and of the lines in front of it after a Suspend.
  std::size_t carried() const;
  // Whether a Suspend waits for its Continue.
  bool suspended() const { return suspended_; }
  Start start() const { return start_; }
  // Whether no state of the stream affects its next bytes.
  bool idle() const { return carried() == 0 && !discarding_ && !suspended_; }

 private:
  // Searches [begin, end) for lines. The first may have begun before `fresh`.
  Progress TakeBytes(std::size_t begin, std::size_t fresh, std::size_t end, LineScanner& scanner, RecordSink& sink);
  Progress ScanLines(std::size_t begin, LineScanner& scanner, RecordSink& sink);
  // Returns the size of a byte order mark at the start of the stream.
  std::size_t TakeByteOrderMark(std::size_t begin, std::size_t end);
  // Sets the flag of a byte order mark in the first record of the stream, once there is one.
  void NoteByteOrderMark(RecordSink& sink);
  // Keeps [begin, end), which holds no newline, for the next read. The bytes before `fresh` are kept already.
  void Keep(std::size_t begin, std::size_t fresh, std::size_t end, RecordSink& sink);
  // Copies the kept bytes back to `begin`, in front of the bytes that follow them.
  void Rejoin(std::size_t begin);
  // Copies the kept bytes out of the window.
  void Yield();
  bool ExceedsLimit(std::size_t line_bytes, std::uint8_t last_byte) const;

  const std::shared_ptr<ReadWindow> window_;
  LineRules rules_;
  std::vector<std::uint8_t> carry_;  // the kept bytes, unless they stand in the window
  bool discarding_ = false;          // within a line that was reported as too large
  Start start_ = Start::kNothing;
  bool suspended_ = false;     // the kept bytes begin with the lines for Continue
  std::size_t next_ = 0;       // where Continue begins,
  std::size_t lines_end_ = 0;  // where its lines end,
  std::size_t end_ = 0;        // and where the bytes end
};

}  // namespace sentinel

#endif  // SENTINEL_FRAME_READER_H_
