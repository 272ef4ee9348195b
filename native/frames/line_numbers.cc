#include "frames/line_numbers.h"

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

namespace sentinel {
namespace {

constexpr std::string_view kKey = R"(,"seq":)";
constexpr std::string_view kTail = "}\n";

// The end of a line with its number. Counting up changes the last digits only.
class Tail {
 public:
  explicit Tail(std::uint64_t number) : number_(number) { Renew(); }

  std::uint8_t* Put(std::uint8_t* out) const {
    std::memcpy(out, bytes_.data(), size_);
    return out + size_;
  }

  void CountUp() {
    ++number_;
    for (std::size_t at = digits_end_ - 1; at >= kKey.size(); --at) {
      if (bytes_[at] != '9') {
        ++bytes_[at];
        return;
      }
      bytes_[at] = '0';
    }
    Renew();  // one digit more
  }

 private:
  void Renew() {
    std::memcpy(bytes_.data(), kKey.data(), kKey.size());
    const std::to_chars_result end =
        std::to_chars(bytes_.data() + kKey.size(), bytes_.data() + bytes_.size() - kTail.size(), number_);
    digits_end_ = static_cast<std::size_t>(end.ptr - bytes_.data());
    std::memcpy(end.ptr, kTail.data(), kTail.size());
    size_ = digits_end_ + kTail.size();
  }

  std::array<char, 32> bytes_{};
  std::size_t digits_end_ = 0;
  std::size_t size_ = 0;
  std::uint64_t number_;
};

}  // namespace

std::uint8_t* NumberLines(const std::uint8_t* begin, const std::uint8_t* end, std::uint8_t* out,
                          const std::uint8_t* out_end, std::uint64_t first) {
  Tail tail(first);
  while (begin < end) {
    const void* const found = std::memchr(begin, '\n', static_cast<std::size_t>(end - begin));
    if (found == nullptr || found == begin) return nullptr;
    const auto* const newline = static_cast<const std::uint8_t*>(found);
    const auto size = static_cast<std::size_t>(newline - begin) + 1;
    if (size + kNumberBytes > static_cast<std::size_t>(out_end - out)) return nullptr;
    const std::size_t body = size - kTail.size();
    std::memcpy(out, begin, body);
    out = tail.Put(out + body);
    tail.CountUp();
    begin = newline + 1;
  }
  return out;
}

}  // namespace sentinel
