// What is known of one line after it was checked, as fixed-width words that JavaScript reads in place.
// lib/binding/abi.ts is the other half of this layout: change both together.

#ifndef SENTINEL_FRAME_RECORD_H_
#define SENTINEL_FRAME_RECORD_H_

#include <cstddef>
#include <cstdint>

namespace sentinel {

enum class LineState : std::int32_t {
  kMessage = 0,
  kSyntax = 1,    // not JSON
  kEncoding = 2,  // not UTF-8
  kDepth = 3,     // nested too deeply
  kNotAnObject = 4,
  kTypeMissing = 5,       // no `type`, or an empty one
  kTypeInvalid = 6,       // `type` is not a string
  kIdInvalid = 7,         // `id` is not a string
  kTimestampInvalid = 8,  // `ts` is not an integer within 2^53
  kDuplicateKey = 9,      // an envelope key stands there twice
  kTooLarge = 10,         // longer than a line may be; start and end tell its first bytes
  kTruncated = 11,        // the stream ended in the middle of it
};

// Word indices. Positions are byte offsets from the start of the read window.
struct FrameRecord {
  static constexpr std::size_t kState = 0;
  static constexpr std::size_t kTypeCode = 1;  // see MessageType
  static constexpr std::size_t kFlags = 2;
  static constexpr std::size_t kLineStart = 3;
  static constexpr std::size_t kLineEnd = 4;    // without the line ending
  static constexpr std::size_t kTypeStart = 5;  // within the quotes
  static constexpr std::size_t kTypeEnd = 6;
  static constexpr std::size_t kIdStart = 7;  // within the quotes; equal to the end when absent or empty
  static constexpr std::size_t kIdEnd = 8;
  static constexpr std::size_t kPayloadStart = 9;  // the value's whole text; equal to the end when absent
  static constexpr std::size_t kPayloadEnd = 10;
  static constexpr std::size_t kTimestampLow = 11;
  static constexpr std::size_t kTimestampHigh = 12;
  static constexpr std::size_t kErrorOffset = 13;  // of an invalid line: where in it
  // The number that the sender stated under the key `seq`: from 1 to 2^53 - 1; 0 when there is none.
  static constexpr std::size_t kSequenceLow = 14;
  static constexpr std::size_t kSequenceHigh = 15;
  static constexpr std::size_t kWords = 16;

  static constexpr std::int32_t kAscii = 1;  // the line is pure ASCII: a byte is a character
  // The line is byte for byte what our own encoder writes for this message, its line ending included.
  static constexpr std::int32_t kCanonical = 2;
  static constexpr std::int32_t kTypeEscaped = 4;  // `type` holds escapes
  static constexpr std::int32_t kIdEscaped = 8;    // `id` holds escapes
  static constexpr std::int32_t kPlainNames = 16;  // no name in the payload can be `__proto__`; not always set then
};

// What one step of a frame reader came to. lib/binding/abi.ts has it too.
struct FrameProgress {
  static constexpr std::size_t kTextBegin = 0;  // the lines of its records lie in [text begin, text end)
  static constexpr std::size_t kTextEnd = 1;
  static constexpr std::size_t kMore = 2;      // 1: there is more to do before the next read
  static constexpr std::size_t kCarried = 3;   // bytes of an unfinished line
  static constexpr std::size_t kReceived = 4;  // bytes read; 0 at the end of the stream; a negative error number
  // Set by JavaScript: messages have the window, so that nothing may be read into it any more.
  static constexpr std::size_t kGiven = 5;
  static constexpr std::size_t kWords = 6;

  static constexpr std::int32_t kNothing = INT32_MIN;  // nothing has arrived
};

enum class MessageType : std::int32_t { kOther = 0, kEvent = 1, kIncident = 2, kAck = 3, kHeartbeat = 4 };

// Where records go: room for a fixed number of them, in memory that JavaScript sees.
class RecordSink {
 public:
  RecordSink(std::int32_t* words, std::size_t capacity) : words_(words), capacity_(capacity) {}
  bool full() const { return count_ == capacity_; }
  std::size_t count() const { return count_; }
  // The words of the next record, all zero. Not to be called when full.
  std::int32_t* Add() {
    std::int32_t* record = words_ + count_ * FrameRecord::kWords;
    ++count_;
    for (std::size_t i = 0; i < FrameRecord::kWords; ++i) record[i] = 0;
    return record;
  }
  std::int32_t* first() { return words_; }
  void RemoveLast() { --count_; }
  void Clear() { count_ = 0; }

 private:
  std::int32_t* words_;
  std::size_t capacity_;
  std::size_t count_ = 0;
};

}  // namespace sentinel

#endif  // SENTINEL_FRAME_RECORD_H_
