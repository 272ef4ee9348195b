// Adds the numbers of acknowledged delivery to lines that are laid out: `,"seq":N` as the last key of each.
// std only; must not know Node-API or sockets.

#ifndef SENTINEL_LINE_NUMBERS_H_
#define SENTINEL_LINE_NUMBERS_H_

#include <cstddef>
#include <cstdint>

#include "abi/abi.h"

namespace sentinel {

// Copies the lines of [begin, end) to [out, out_end) and gives them the numbers from `first` on. Each line must end
// in a closing brace and a newline. Returns the end of the output, or nullptr if there was no room for one of the
// lines and kNumberBytes.
std::uint8_t* NumberLines(const std::uint8_t* begin, const std::uint8_t* end, std::uint8_t* out,
                          const std::uint8_t* out_end, std::uint64_t first);

}  // namespace sentinel

#endif  // SENTINEL_LINE_NUMBERS_H_
