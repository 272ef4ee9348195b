// Checks the spelling of escapes in JSON strings, and compares strings with escapes.

#ifndef SENTINEL_ESCAPES_H_
#define SENTINEL_ESCAPES_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sentinel {

// Returns the value of a hexadecimal digit, or -1 for any other byte.
int HexValue(std::uint8_t byte);

// Returns the position of the first backslash in [start, end) that does not begin a valid escape, or `end`.
// Surrogate pairs are not checked.
std::size_t FindBadEscape(const std::uint8_t* text, std::size_t start, std::size_t end);

// Whether the JSON string whose `size` bytes stand at `text`, within its quotes, stands for this UTF-8 text. Its
// escapes must be spelled correctly. A string with half a surrogate pair equals no text.
bool EqualsUnescaped(const std::uint8_t* text, std::size_t size, std::string_view utf8);

}  // namespace sentinel

#endif  // SENTINEL_ESCAPES_H_
