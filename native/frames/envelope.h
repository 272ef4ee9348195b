// The parts of a line that is a SOC message, as positions. Must not know how they are found.

#ifndef SENTINEL_ENVELOPE_H_
#define SENTINEL_ENVELOPE_H_

#include <cstddef>
#include <cstdint>

#include "abi/abi.h"
#include "frames/envelope_key.h"
#include "frames/json_walker.h"

namespace sentinel {

// An integer of more digits is not safe as a number of JavaScript.
constexpr std::size_t kMaxSafeDigits = 16;

constexpr unsigned Bit(EnvelopeKey key) { return 1U << static_cast<unsigned>(key); }

struct Envelope {
  Span type;  // within the quotes, as that of id
  Span id;
  Span timestamp;
  Span payload;
  std::int64_t seconds = 0;
  std::uint64_t sequence = 0;
  unsigned seen = 0;  // bit per EnvelopeKey
  bool own = false;   // up to the payload it has the form that this package's encoder writes
};

// What few lines have, and is therefore not part of each Envelope. Each part is set if `seen` has its bit.
struct RareMembers {
  // Members whose keys are not reserved.
  std::size_t extra_keys = 0;
  std::size_t extra_bytes = 0;
  std::size_t extras_start = 0;  // where the first one begins
  std::size_t extras_end = 0;    // where the last one ends
  std::size_t sequence_at = 0;   // where the key is; not set for a number that OwnForm takes
};

inline bool HasMeta(const Envelope& envelope, const RareMembers& rare) {
  return (envelope.seen & Bit(EnvelopeKey::kUnknown)) != 0 && rare.extra_keys <= EnvelopeExtra::kMostKeys &&
         rare.extra_bytes <= EnvelopeExtra::kMostBytes;
}

}  // namespace sentinel

#endif  // SENTINEL_ENVELOPE_H_
