// The escapes of JSON's strings, as far as their spelling goes.

#ifndef SENTINEL_ESCAPES_H_
#define SENTINEL_ESCAPES_H_

#include <cstddef>
#include <cstdint>

namespace sentinel {

// Of a hexadecimal digit; -1 for anything else.
int HexValue(std::uint8_t byte);

// The first backslash of [start, end) that begins no escape, or `end` when each of them does.
std::size_t FindBadEscape(const std::uint8_t* text, std::size_t start, std::size_t end);

}  // namespace sentinel

#endif  // SENTINEL_ESCAPES_H_
