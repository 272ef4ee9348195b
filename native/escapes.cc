#include "escapes.h"

#include <algorithm>
#include <array>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sentinel {
namespace {

// Windows paths and texts of several lines have too many backslashes for a search that stops at each.
constexpr std::size_t kBlock = 64;
constexpr std::size_t kUnicodeEscape = sizeof("\\uXXXX") - 1;

#if defined(__SSE2__)

std::uint64_t MaskOf16(const std::uint8_t* bytes) {
  __m128i text;
  std::memcpy(&text, bytes, sizeof(text));
  const auto found = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8('\\'))));
  return found;
}

// A bit for each of kBlock bytes, the first one lowest: it is a backslash.
std::uint64_t Backslashes(const std::uint8_t* bytes) {
  return MaskOf16(bytes) | MaskOf16(bytes + 16) << 16U | MaskOf16(bytes + 32) << 32U | MaskOf16(bytes + 48) << 48U;
}

#else

std::uint64_t Backslashes(const std::uint8_t* bytes) {
  constexpr std::uint64_t kEach = 0x0101010101010101;
  constexpr std::uint64_t kLow = kEach * 0x7f;
  std::uint64_t mask = 0;
  for (std::size_t i = 0; i < kBlock; i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    // Byte by byte, so that the order of bytes in memory does not matter; compilers make one load of it.
    for (std::size_t k = 0; k < sizeof(word); ++k) word |= static_cast<std::uint64_t>(bytes[i + k]) << (8 * k);
    word ^= kEach * '\\';
    const std::uint64_t zeros = ~(((word & kLow) + kLow) | word | kLow);
    // Gathers the top bits of all bytes in the top byte.
    mask |= ((zeros >> 7U) * 0x0102040810204080 >> 56U) << i;
  }
  return mask;
}

#endif

std::size_t LowestBit(std::uint64_t mask) {
#if defined(__GNUC__)
  return static_cast<std::size_t>(__builtin_ctzll(mask));
#else
  std::size_t bit = 0;
  for (; (mask & 1U) == 0; mask >>= 1U) ++bit;
  return bit;
#endif
}

// What may follow a backslash and be all of the escape.
constexpr std::array<bool, 256> ShortEscapes() {
  std::array<bool, 256> allowed{};
  for (const char character : {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'}) {
    allowed[static_cast<std::uint8_t>(character)] = true;
  }
  return allowed;
}
constexpr std::array<bool, 256> kShortEscapes = ShortEscapes();

// The length of the escape that begins with the backslash at `at`, or 0 if it is none.
std::size_t EscapeLength(const std::uint8_t* text, std::size_t at, std::size_t end) {
  if (at + 1 >= end) return 0;
  if (kShortEscapes[text[at + 1]]) return 2;
  if (text[at + 1] != 'u' || at + kUnicodeEscape > end) return 0;
  for (std::size_t digit = at + 2; digit < at + kUnicodeEscape; ++digit) {
    if (HexValue(text[digit]) < 0) return 0;
  }
  return kUnicodeEscape;
}

// `mask` without the bits of the first `count` bytes.
std::uint64_t Without(std::uint64_t mask, std::size_t count) {
  return count < kBlock ? mask & ~std::uint64_t{0} << count : 0;
}

}  // namespace

int HexValue(std::uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

std::size_t FindBadEscape(const std::uint8_t* text, std::size_t start, std::size_t end) {
  std::size_t next = start;  // what stands before belongs to escapes that were seen
  for (std::size_t block = start; block < end; block += kBlock) {
    std::uint64_t mask = 0;
    if (end - block >= kBlock) {
      mask = Backslashes(text + block);
    } else {
      std::array<std::uint8_t, kBlock> rest{};
      std::copy(text + block, text + end, rest.begin());
      mask = Backslashes(rest.data());
    }
    if (next > block) mask = Without(mask, next - block);
    while (mask != 0) {
      const std::size_t at = block + LowestBit(mask);
      const std::size_t length = EscapeLength(text, at, end);
      if (length == 0) return at;
      next = at + length;
      mask = Without(mask, next - block);
    }
  }
  return end;
}

}  // namespace sentinel
