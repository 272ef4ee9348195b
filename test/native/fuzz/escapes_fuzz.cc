// libFuzzer target for the escapes: the search by blocks finds what a search
// byte by byte finds, wherever the text begins and ends and whatever stands
// around it.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "frames/escapes.h"

namespace {

bool IsOneOf(std::uint8_t byte, const char *characters) {
  return byte != 0 && std::strchr(characters, byte) != nullptr;
}

std::size_t Naive(const std::uint8_t *text, std::size_t start, std::size_t end) {
  for (std::size_t at = start; at < end;) {
    if (text[at] != '\\') {
      ++at;
    } else if (at + 1 < end && IsOneOf(text[at + 1], "\"\\/bfnrt")) {
      at += 2;
    } else {
      if (end - at < 6 || text[at + 1] != 'u') return at;
      for (std::size_t digit = at + 2; digit < at + 6; ++digit) {
        if (!IsOneOf(text[digit], "0123456789abcdefABCDEF")) return at;
      }
      at += 6;
    }
  }
  return end;
}

}  // namespace

// The first two bytes say how many of the others stand before the text and
// behind it. In one half of the inputs the others choose from what escapes are
// made of, as hardly any would be one otherwise.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  if (size < 2) return 0;
  constexpr std::string_view kPieces = R"(\\\\\"/bfnrtuuuu0123456789afAF)";
  std::vector<std::uint8_t> text(data + 2, data + size);
  if (data[0] % 2 == 0) {
    for (std::uint8_t &byte : text) byte = static_cast<std::uint8_t>(kPieces[byte % kPieces.size()]);
  }
  const std::size_t start = std::min<std::size_t>(data[0] / 2, text.size());
  const std::size_t end = text.size() - std::min<std::size_t>(data[1], text.size() - start);

  const std::size_t expected = Naive(text.data(), start, end);
  std::size_t first = start;
  while (first < end && text[first] != '\\') ++first;
  const sentinel::Escapes found = sentinel::FindEscapes(text.data(), start, end);
  if (found.bad == expected && found.first == first) return 0;
  std::fprintf(stderr, "violated: found %zu and %zu instead of %zu and %zu in [%zu, %zu)\n", found.first, found.bad,
               first, expected, start, end);
  std::abort();
}
