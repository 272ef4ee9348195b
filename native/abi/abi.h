// The numbers that the addon and its TypeScript share: the layouts of shared memory, enum values and sentinel
// values. lib/binding/abi.ts is the other half; test/unit/binding/abi.test.ts compares the two
// through the loaded addon, so a change on one side alone fails. The lowest layer: must not include anything else
// of native/.

#ifndef SENTINEL_ABI_H_
#define SENTINEL_ABI_H_

#include <cstddef>
#include <cstdint>

namespace sentinel {

// The outcome of checking one line.
enum class LineState : std::int32_t {
  kMessage = 0,
  kSyntax = 1,    // not JSON
  kEncoding = 2,  // not UTF-8
  kDepth = 3,     // nested too deeply
  kNotAnObject = 4,
  kTypeMissing = 5,       // no `type`, or an empty one
  kTypeInvalid = 6,       // `type` is not a string
  kIdInvalid = 7,         // `id` is not a string
  kTimestampInvalid = 8,  // `ts` is not an integer within ±(2^53 - 1)
  kDuplicateKey = 9,      // an envelope key occurs twice
  kTooLarge = 10,         // longer than the limit; start and end delimit its first bytes
  kTruncated = 11,        // the stream ended in the middle of it
  kAmbiguousKey = 12,     // a key differs from an envelope key only in case, so that Go would treat it as that key
};

enum class MessageType : std::int32_t { kOther = 0, kEvent = 1, kIncident = 2, kAck = 3, kHeartbeat = 4 };

// Word indices of the record of one checked line. Positions are byte offsets from the start of the read window.
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
  static constexpr std::size_t kErrorOffset = 13;  // of an invalid line: the fault's offset from its start
  // The number that the sender stated under the key `seq`: from 1 to 2^53 - 1; 0 if there is none.
  static constexpr std::size_t kSequenceLow = 14;
  static constexpr std::size_t kSequenceHigh = 15;
  static constexpr std::size_t kWords = 16;

  static constexpr std::int32_t kAscii = 1;  // the line is pure ASCII: a byte is a character
  // The line is byte for byte what this package's encoder writes for the message, including the
  // line ending.
  static constexpr std::int32_t kCanonical = 2;
  static constexpr std::int32_t kTypeEscaped = 4;  // `type` holds escapes
  static constexpr std::int32_t kIdEscaped = 8;    // `id` holds escapes
  // No key of the payload is `__proto__` or has an escape. May be missing from such a payload.
  static constexpr std::int32_t kPlainNames = 16;
  // The stream began with a byte order mark, which was skipped. On its first line only.
  static constexpr std::int32_t kAfterMark = 32;
  // The payload may contain an integer of 16 characters or more. May be set for a payload without
  // one.
  static constexpr std::int32_t kLongNumber = 64;
  // The envelope has extra keys, within the bounds of EnvelopeExtra.
  static constexpr std::int32_t kHasMeta = 128;
  // The extra keys stand between `ts` and `payload`, and the envelope up to there is byte for byte
  // what this package's encoder writes.
  static constexpr std::int32_t kMetaInPlace = 256;
};

// Bounds of the extra keys of an envelope. Beyond them, all of its extra keys are ignored.
struct EnvelopeExtra {
  static constexpr std::size_t kMostKeys = 32;
  static constexpr std::size_t kMostBytes = 4096;  // of all `"key":value`
};

// Word indices of the row that belongs to the record of a line, on a stream whose reader requested
// fields.
struct FieldWord {
  static constexpr std::size_t kLineStart = 0;  // as in the record; written by JavaScript
  // Of each field, where its value begins and ends; 0 and 0 if it is missing. Strings with their quotes.
  static constexpr std::size_t kFirst = 1;
  static constexpr std::size_t kEach = 2;
  static constexpr std::size_t kMost = 16;  // fields of a stream
};

// Word indices of the outcome of one step of a frame reader.
struct FrameProgress {
  static constexpr std::size_t kTextBegin = 0;  // the lines of its records lie in [text begin, text end)
  static constexpr std::size_t kTextEnd = 1;
  static constexpr std::size_t kMore = 2;      // 1: there is more to do before the next read
  static constexpr std::size_t kCarried = 3;   // bytes of an unfinished line
  static constexpr std::size_t kReceived = 4;  // bytes read; 0 at the end of the stream; a negative error number
  // Set by JavaScript: messages own the window, so nothing may be read into it any more.
  static constexpr std::size_t kGiven = 5;
  static constexpr std::size_t kTurnOver = 6;  // 1: the rest of the lines, and other reads, wait for the next turn
  // Set by JavaScript: the next turn is for lines that were kept, and reads nothing.
  static constexpr std::size_t kKeptWait = 7;
  // Rounds in which all connections were read, modulo 2^32. 0: not counted (yet). See readiness/read_rounds.h.
  static constexpr std::size_t kRounds = 8;
  static constexpr std::size_t kWords = 9;

  static constexpr std::int32_t kNothing = INT32_MIN;  // nothing has arrived
};

// What one turn of the event loop may read, in units of about a microsecond of work, and what costs how much.
struct TurnCost {
  static constexpr std::size_t kUnits = 2048;        // of one turn
  static constexpr std::size_t kRefusedLine = 4;     // a message costs 1
  static constexpr std::size_t kBytesPerUnit = 512;  // once when they are read, once when their lines are checked
  static constexpr std::size_t kRead = 4;
  static constexpr std::size_t kEnd = 32;  // of a stream
};

// Word indices of the description of one frame to be laid out.
struct FrameLayout {
  static constexpr std::size_t kUnits = 0;       // length of its part of the text, in UTF-16 units
  static constexpr std::size_t kType = 1;        // a MessageType; kOther: the text is the whole frame already
  static constexpr std::size_t kIdMillions = 2;  // the id's milliseconds / 1,000,000
  static constexpr std::size_t kIdRest = 3;      // and their remainder
  static constexpr std::size_t kIdSequence = 4;  // the six digits that follow
  static constexpr std::size_t kTimestamp = 5;   // seconds, not negative
  static constexpr std::size_t kWords = 6;

  static constexpr std::size_t kEnvelopeBytes = 96;  // more than any envelope takes
};

// Word indices of the memory through which JavaScript requests busy polling from the event loop,
// and sees whether it paid off.
struct PollWord {
  static constexpr std::size_t kMicroseconds = 0;  // poll this long for the next message, unconditionally
  static constexpr std::size_t kIfItPays = 1;      // 1: poll for the usual time, if that has paid off lately
  static constexpr std::size_t kGained = 2;        // polls that ended with a message, modulo 2^32
  static constexpr std::size_t kLost = 3;          // polls that ended without one, modulo 2^32
  static constexpr std::size_t kWords = 4;
};

// Passed to JavaScript in place of a number of records.
struct RecordCount {
  static constexpr std::int32_t kNoRoom = -1;    // attach a larger window, then read again
  static constexpr std::int32_t kWritable = -2;  // the kernel may take bytes again
};

// Bytes per read, unless an unfinished line leaves less room. Together with room for the beginning of a line this
// stays below 128 KiB, the size from which C libraries map and unmap each block (mallopt(3), M_MMAP_THRESHOLD).
inline constexpr std::size_t kReadBytes = std::size_t{112} << 10;

// Upper bound of the bytes that its number adds to a line.
inline constexpr std::size_t kNumberBytes = 24;

// The outcome of asking a PeerWatcher to watch a process.
enum class WatchState : std::uint8_t { kWatching = 0, kEnded = 1, kNotSupported = 2 };

}  // namespace sentinel

#endif  // SENTINEL_ABI_H_
