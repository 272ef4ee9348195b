// Checks the spelling of escapes in JSON strings; surrogate pairs are not checked.

#ifndef SENTINEL_ESCAPES_H_
#define SENTINEL_ESCAPES_H_

#include <cstddef>
#include <cstdint>

namespace sentinel {

// Returns the value of a hexadecimal digit, or -1 for any other byte.
int HexValue(std::uint8_t byte);

// Returns the position of the first backslash in [start, end) that does not begin a valid escape, or `end`.
std::size_t FindBadEscape(const std::uint8_t* text, std::size_t start, std::size_t end);

}  // namespace sentinel

#endif  // SENTINEL_ESCAPES_H_
