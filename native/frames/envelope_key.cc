#include "frames/envelope_key.h"

#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "frames/escapes.h"

namespace sentinel {
namespace {

// The only character beyond ASCII that Go's case folding maps to a letter of the reserved keys:
// U+017F to s. (U+212A folds to k, which no reserved key contains.)
constexpr unsigned kLongS = 0x17f;

// Compares bytes with a lower-case text, ignoring the case of their ASCII letters.
bool SameFolded(const std::uint8_t* bytes, std::string_view small) {
  for (const char character : small) {
    const auto letter = static_cast<std::uint8_t>(character);
    if (*bytes != letter && (letter > 0x7f || (*bytes | 0x20U) != letter)) return false;
    ++bytes;
  }
  return true;
}

// A key may be written with escapes ("\u0074ype") and is the same key to every JSON parser. It must
// be to this one too, or a second `type` could hide from the check for duplicates. No reserved key
// contains a character with a short escape.
EnvelopeKey IdentifyEscaped(const std::uint8_t* name, std::size_t size) {
  std::array<std::uint8_t, sizeof("payload")> decoded{};
  std::size_t length = 0;
  for (std::size_t i = 0; i < size; ++i) {
    unsigned character = name[i];
    if (character == '\\') {
      if (name[++i] != 'u') return EnvelopeKey::kUnknown;
      character = 0;
      for (int digit = 0; digit < 4; ++digit) {
        character = character * 16 + static_cast<unsigned>(HexValue(name[++i]));
      }
    } else if (character == 0xc5 && name[i + 1] == 0xbf) {
      character = kLongS;
      ++i;
    }
    const bool long_s = character == kLongS;
    if (length == decoded.size() || (character > 0x7f && !long_s)) return EnvelopeKey::kUnknown;
    // As a capital letter, which equals that of a reserved key only when case is ignored, as Go does.
    decoded[length++] = long_s ? 'S' : static_cast<std::uint8_t>(character);
  }
  const std::string_view key(reinterpret_cast<const char*>(decoded.data()), length);
  if (key == "seq") return EnvelopeKey::kSequence;
  const std::array<std::pair<std::string_view, EnvelopeKey>, 4> keys = {{{"type", EnvelopeKey::kType},
                                                                         {"id", EnvelopeKey::kId},
                                                                         {"ts", EnvelopeKey::kTimestamp},
                                                                         {"payload", EnvelopeKey::kPayload}}};
  for (const auto& [ours, identity] : keys) {
    if (key == ours) return identity;
    if (length == ours.size() && SameFolded(decoded.data(), ours)) return EnvelopeKey::kAmbiguous;
  }
  return EnvelopeKey::kUnknown;
}

}  // namespace

EnvelopeKey IdentifyOtherKey(const std::uint8_t* name, std::size_t size, bool may_have_escapes) {
  bool ambiguous = false;
  switch (size) {
    case 2: ambiguous = SameFolded(name, "id") || SameFolded(name, "ts"); break;
    case 3: ambiguous = SameFolded(name, "t\xc5\xbf"); break;  // U+017F, the long s
    case 4: ambiguous = SameFolded(name, "type"); break;
    case 7: ambiguous = SameFolded(name, "payload"); break;
    default: break;
  }
  if (ambiguous) return EnvelopeKey::kAmbiguous;
  if (!may_have_escapes || std::memchr(name, '\\', size) == nullptr) return EnvelopeKey::kUnknown;
  return IdentifyEscaped(name, size);
}

}  // namespace sentinel
