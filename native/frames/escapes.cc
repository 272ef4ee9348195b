#include "frames/escapes.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "frames/byte_search.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sentinel {
namespace {

// Scanned a block at a time: Windows paths and multi-line texts have too many backslashes to stop at each one.
constexpr std::size_t kBlock = 64;
constexpr std::size_t kUnicodeEscape = sizeof("\\uXXXX") - 1;

// The characters that form a complete escape with the backslash before them.
constexpr std::array<bool, 256> ShortEscapes() {
  std::array<bool, 256> allowed{};
  for (const char character : {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'}) {
    allowed[static_cast<std::uint8_t>(character)] = true;
  }
  return allowed;
}
constexpr std::array<bool, 256> kShortEscapes = ShortEscapes();

#if defined(__SSE2__)

__m128i Load(const std::uint8_t* bytes) {
  __m128i text;
  std::memcpy(&text, bytes, sizeof(text));
  return text;
}

__m128i Equal(__m128i text, char character) { return _mm_cmpeq_epi8(text, _mm_set1_epi8(character)); }

// Compares while ignoring the bits of `spread`, which must be set in `character`.
__m128i Equal(__m128i text, char character, char spread) {
  return Equal(_mm_or_si128(text, _mm_set1_epi8(spread)), character);
}

std::uint64_t Mask(__m128i found) { return static_cast<std::uint32_t>(_mm_movemask_epi8(found)); }

// Returns a bit for each of kBlock bytes, the lowest for the first: set if the byte is a backslash.
std::uint64_t Backslashes(const std::uint8_t* bytes) {
  const __m128i a = Equal(Load(bytes), '\\');
  const __m128i b = Equal(Load(bytes + 16), '\\');
  const __m128i c = Equal(Load(bytes + 32), '\\');
  const __m128i d = Equal(Load(bytes + 48), '\\');
  // More than half of the blocks of a typical event have none.
  if (Mask(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d))) == 0) return 0;
  return Mask(a) | Mask(b) << 16U | Mask(c) << 32U | Mask(d) << 48U;
}

std::uint64_t CommonOf16(const std::uint8_t* bytes) {
  const __m128i text = Load(bytes);
  // One comparison finds both `"` and b, another both f and n. Slashes are left out: they are rarely escaped.
  const __m128i pairs = _mm_or_si128(Equal(text, 'b', 0x40), Equal(text, 'n', 0x08));
  return Mask(_mm_or_si128(pairs, _mm_or_si128(Equal(text, 'r'), Equal(text, 't'))));
}

// Returns the bits of `second` whose bytes must be checked individually. It compares all bytes
// instead of looping over the marked ones, because the processor could not predict the number of
// iterations.
std::uint64_t Uncommon(const std::uint8_t* bytes, std::uint64_t second) {
  if (second == 0) return 0;
  return second & ~(CommonOf16(bytes) | CommonOf16(bytes + 16) << 16U | CommonOf16(bytes + 32) << 32U |
                    CommonOf16(bytes + 48) << 48U);
}

#else

std::uint64_t Backslashes(const std::uint8_t* bytes) {
  // Compilers vectorize this loop.
  std::uint8_t found = 0;
  for (std::size_t i = 0; i < kBlock; ++i) found = static_cast<std::uint8_t>(found | (bytes[i] == '\\'));
  if (found == 0) return 0;
  constexpr std::uint64_t kEach = 0x0101010101010101;
  constexpr std::uint64_t kLow = kEach * 0x7f;
  std::uint64_t mask = 0;
  for (std::size_t i = 0; i < kBlock; i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    // Byte by byte, to be independent of endianness; compilers turn this into a single load.
    for (std::size_t k = 0; k < sizeof(word); ++k) word |= static_cast<std::uint64_t>(bytes[i + k]) << (8 * k);
    word ^= kEach * '\\';
    const std::uint64_t zeros = ~(((word & kLow) + kLow) | word | kLow);
    // Gather the top bits of all bytes in the top byte.
    mask |= ((zeros >> 7U) * 0x0102040810204080 >> 56U) << i;
  }
  return mask;
}

std::uint64_t Uncommon(const std::uint8_t* bytes, std::uint64_t second) {
  std::uint64_t uncommon = 0;
  for (std::uint64_t left = second; left != 0; left &= left - 1) {
    if (!kShortEscapes[bytes[LowestBit(left)]]) uncommon |= left & (~left + 1);
  }
  return uncommon;
}

#endif

// Of a run of backslashes, the first, third, fifth, … each begin an escape.
std::uint64_t EscapeStarts(std::uint64_t backslashes) {
  constexpr std::uint64_t kEven = 0x5555555555555555;
  const std::uint64_t first = backslashes & ~(backslashes << 1U);
  // The addition carries through each run that begins at an even position and clears its bits.
  const std::uint64_t even_runs = backslashes & ~(backslashes + (first & kEven));
  return backslashes & (even_runs ^ ~kEven);
}

bool IsEscape(const std::uint8_t* text, std::size_t at, std::size_t end) {
  if (at + 1 >= end) return false;
  if (kShortEscapes[text[at + 1]]) return true;
  if (text[at + 1] != 'u' || at + kUnicodeEscape > end) return false;
  for (std::size_t digit = at + 2; digit < at + kUnicodeEscape; ++digit) {
    if (HexValue(text[digit]) < 0) return false;
  }
  return true;
}

// The characters that the short escapes stand for, by the byte after the backslash.
std::uint32_t ShortEscaped(std::uint8_t byte) {
  switch (byte) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return byte;
  }
}

std::uint32_t UnitAt(const std::uint8_t* digits) {
  std::uint32_t unit = 0;
  for (std::size_t i = 0; i < 4; ++i) unit = unit * 16 + static_cast<std::uint32_t>(HexValue(digits[i]));
  return unit;
}

bool IsHighSurrogate(std::uint32_t unit) { return (unit & 0xfc00U) == 0xd800U; }
bool IsLowSurrogate(std::uint32_t unit) { return (unit & 0xfc00U) == 0xdc00U; }

// Reads the escape at `at` and moves `at` past it. Returns a character, or half a surrogate pair.
std::uint32_t TakeEscape(const std::uint8_t* text, std::size_t size, std::size_t& at) {
  if (text[at + 1] != 'u') {
    at += 2;
    return ShortEscaped(text[at - 1]);
  }
  const std::uint32_t unit = UnitAt(text + at + 2);
  at += kUnicodeEscape;
  if (!IsHighSurrogate(unit) || size - at < kUnicodeEscape || text[at] != '\\' || text[at + 1] != 'u') return unit;
  const std::uint32_t low = UnitAt(text + at + 2);
  if (!IsLowSurrogate(low)) return unit;
  at += kUnicodeEscape;
  return 0x10000U + ((unit & 0x3ffU) << 10U | (low & 0x3ffU));
}

// Writes a character as UTF-8 and returns its size.
std::size_t PutUtf8(std::uint32_t character, std::array<std::uint8_t, 4>& out) {
  const auto byte = [](std::uint32_t value) { return static_cast<std::uint8_t>(value); };
  const auto tail = [&](unsigned shift) { return byte(0x80U | (character >> shift & 0x3fU)); };
  if (character < 0x80U) {
    out = {byte(character)};
    return 1;
  }
  if (character < 0x800U) {
    out = {byte(0xc0U | character >> 6U), tail(0)};
    return 2;
  }
  if (character < 0x10000U) {
    out = {byte(0xe0U | character >> 12U), tail(6), tail(0)};
    return 3;
  }
  out = {byte(0xf0U | character >> 18U), tail(12), tail(6), tail(0)};
  return 4;
}

}  // namespace

int HexValue(std::uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

Escapes FindEscapes(const std::uint8_t* text, std::size_t start, std::size_t end) {
  std::size_t first = end;
  std::uint64_t carry = 0;  // 1 if an escape begins with the last byte of the previous block
  for (std::size_t block = start; block < end; block += kBlock) {
    const std::uint8_t* bytes = text + block;
    std::array<std::uint8_t, kBlock> rest;
    if (end - block < kBlock) {
      rest.fill(0);  // 0 continues no escape
      std::copy(text + block, text + end, rest.begin());
      bytes = rest.data();
    }
    const std::uint64_t backslashes = Backslashes(bytes);
    if ((backslashes | carry) == 0) continue;
    if (first == end) first = block + LowestBit(backslashes);
    // Treats `\u` as a two-character escape: the digits of a valid one contain no backslash, and after an invalid
    // one the rest does not matter.
    const std::uint64_t starts = EscapeStarts(backslashes & ~carry);
    // The second bytes of escapes, except backslashes, which are always valid.
    const std::uint64_t second = (starts << 1U | carry) & ~backslashes;
    carry = starts >> (kBlock - 1);
    for (std::uint64_t left = Uncommon(bytes, second); left != 0; left &= left - 1) {
      const std::size_t at = block + LowestBit(left) - 1;
      if (!IsEscape(text, at, end)) return {first, at};
    }
  }
  return {first, carry == 0 ? end : end - 1};
}

std::optional<std::size_t> Unescape(const std::uint8_t* text, std::size_t size, std::uint8_t* out,
                                    std::size_t room) {
  std::array<std::uint8_t, 4> character{};
  std::size_t written = 0;
  for (std::size_t at = 0; at < size;) {
    std::size_t bytes = 1;
    if (text[at] != '\\') {
      character[0] = text[at++];
    } else {
      const std::uint32_t escaped = TakeEscape(text, size, at);
      if (IsHighSurrogate(escaped) || IsLowSurrogate(escaped)) return std::nullopt;
      bytes = PutUtf8(escaped, character);
    }
    if (room - written < bytes) return std::nullopt;
    std::copy_n(character.begin(), bytes, out + written);
    written += bytes;
  }
  return written;
}

}  // namespace sentinel
