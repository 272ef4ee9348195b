// Distinguishes the reserved keys of the envelope of a SOC message from other keys, in the same way
// as Go's decoder. Must not know lines.

#ifndef SENTINEL_ENVELOPE_KEY_H_
#define SENTINEL_ENVELOPE_KEY_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sentinel {

enum class EnvelopeKey : unsigned {
  kType = 0,
  kId = 1,
  kTimestamp = 2,
  kPayload = 3,
  kSequence = 4,
  kUnknown = 5,
  kAmbiguous = 6  // equals a reserved key only if case is ignored
};

// Go's decoder matches keys without regard to case, and the last match wins. A key that equals a
// reserved key only that way would make the line a different message to a Go peer, so it is
// ambiguous. The same as IdentifyKey, for a key that is not spelled exactly like a reserved one.
EnvelopeKey IdentifyOtherKey(const std::uint8_t* name, std::size_t size, bool may_have_escapes);

// Identifies the key whose `size` bytes stand at `name`, within its quotes. `may_have_escapes` is false if no
// backslash is among them. Escapes must be spelled correctly.
inline EnvelopeKey IdentifyKey(const std::uint8_t* name, std::size_t size, bool may_have_escapes) {
  switch (size) {
    case 2:
      if (std::memcmp(name, "id", 2) == 0) return EnvelopeKey::kId;
      if (std::memcmp(name, "ts", 2) == 0) return EnvelopeKey::kTimestamp;
      break;
    case 3:
      if (std::memcmp(name, "seq", 3) == 0) return EnvelopeKey::kSequence;
      break;
    case 4:
      if (std::memcmp(name, "type", 4) == 0) return EnvelopeKey::kType;
      break;
    case 7:
      if (std::memcmp(name, "payload", 7) == 0) return EnvelopeKey::kPayload;
      break;
    default: break;
  }
  return IdentifyOtherKey(name, size, may_have_escapes);
}

}  // namespace sentinel

#endif  // SENTINEL_ENVELOPE_KEY_H_
