// Checks the spelling of escapes in JSON strings, and decodes strings with escapes.

#ifndef SENTINEL_ESCAPES_H_
#define SENTINEL_ESCAPES_H_

#include <cstddef>
#include <cstdint>
#include <optional>

namespace sentinel {

// Returns the value of a hexadecimal digit, or -1 for any other byte.
int HexValue(std::uint8_t byte);

// Each is the end of the text if there is none.
struct Escapes {
  std::size_t first;  // backslash
  std::size_t bad;    // the first backslash that does not begin a valid escape
};

// Finds the backslashes of [start, end). Surrogate pairs are not checked.
Escapes FindEscapes(const std::uint8_t* text, std::size_t start, std::size_t end);

// Writes the text that a JSON string stands for to `out` as UTF-8, and returns its size. The `size` bytes of the
// string stand at `text`, within its quotes; its escapes must be spelled correctly. Returns nothing if there is
// half a surrogate pair, or no room.
std::optional<std::size_t> Unescape(const std::uint8_t* text, std::size_t size, std::uint8_t* out,
                                    std::size_t room);

}  // namespace sentinel

#endif  // SENTINEL_ESCAPES_H_
