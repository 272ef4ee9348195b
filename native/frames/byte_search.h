// Searches of bytes and bits for which the C++ library has no function that is fast and portable (memrchr, C++20's
// countr_zero).

#ifndef SENTINEL_BYTE_SEARCH_H_
#define SENTINEL_BYTE_SEARCH_H_

#include <cstddef>
#include <cstdint>

namespace sentinel {

// The number of the lowest bit that is set. The mask must not be 0.
inline std::size_t LowestBit(std::uint64_t mask) {
#if defined(__GNUC__)
  return static_cast<std::size_t>(__builtin_ctzll(mask));
#else
  std::size_t bit = 0;
  for (; (mask & 1U) == 0; mask >>= 1U) ++bit;
  return bit;
#endif
}

// Returns the position just past the last newline in [begin, end), or `begin` if there is none.
inline std::size_t PastLastNewline(const std::uint8_t* bytes, std::size_t begin, std::size_t end) {
  // Lines may be long, so whole blocks without a newline are skipped. Compilers vectorize the inner loop.
  constexpr std::size_t kBlock = 256;
  for (std::size_t at = end; at > begin;) {
    if (at - begin >= kBlock) {
      std::uint8_t found = 0;
      for (std::size_t i = at - kBlock; i < at; ++i) found = static_cast<std::uint8_t>(found | (bytes[i] == '\n'));
      if (found == 0) {
        at -= kBlock;
        continue;
      }
    }
    const std::size_t stop = at - begin >= kBlock ? at - kBlock : begin;
    for (; at > stop; --at) {
      if (bytes[at - 1] == '\n') return at;
    }
  }
  return begin;
}

}  // namespace sentinel

#endif  // SENTINEL_BYTE_SEARCH_H_
