#include "frames/frame_layout.h"

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "frames/frame_record.h"

namespace sentinel {
namespace {

using namespace std::string_view_literals;

constexpr std::array<std::string_view, 5> kHeads = {
    ""sv,
    R"({"type":"soc_event","id":")"sv,
    R"({"type":"soc_incident","id":")"sv,
    R"({"type":"soc_ack","id":")"sv,
    R"({"type":"soc_heartbeat","id":")"sv,
};
constexpr std::string_view kBeforeTimestamp = R"(","ts":)"sv;
constexpr std::string_view kBeforePayload = R"(,"payload":)"sv;
constexpr std::string_view kTail = "}\n"sv;
constexpr int kRestDigits = 6;

std::uint8_t* Put(std::uint8_t* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

std::uint8_t* PutNumber(std::uint8_t* out, std::uint32_t number) {
  std::array<char, 10> digits{};
  const std::to_chars_result end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  return Put(out, {digits.data(), static_cast<std::size_t>(end.ptr - digits.data())});
}

std::uint8_t* PutSixDigits(std::uint8_t* out, std::uint32_t number) {
  for (int i = kRestDigits - 1; i >= 0; --i) {
    out[i] = static_cast<std::uint8_t>('0' + number % 10);
    number /= 10;
  }
  return out + kRestDigits;
}

// The parts of an envelope, cached between frames: messages created in the same millisecond differ in six digits
// only.
class Envelope {
 public:
  std::uint8_t* PutHead(std::uint8_t* out, const std::int32_t* words) {
    if (words[FrameLayout::kType] != type_ || words[FrameLayout::kIdMillions] != millions_ ||
        words[FrameLayout::kIdRest] != rest_ || head_bytes_ == 0) {
      Renew(words);
    }
    std::memcpy(out, head_.data(), head_.size());  // the whole array: a copy of fixed size is fastest
    return PutSixDigits(out + head_bytes_, static_cast<std::uint32_t>(words[FrameLayout::kIdSequence]));
  }

  std::uint8_t* PutMiddle(std::uint8_t* out, const std::int32_t* words) {
    if (words[FrameLayout::kTimestamp] != timestamp_ || middle_bytes_ == 0) {
      timestamp_ = words[FrameLayout::kTimestamp];
      std::uint8_t* end = Put(middle_.data(), kBeforeTimestamp);
      end = PutNumber(end, static_cast<std::uint32_t>(timestamp_));
      end = Put(end, kBeforePayload);
      middle_bytes_ = static_cast<std::size_t>(end - middle_.data());
    }
    std::memcpy(out, middle_.data(), middle_.size());
    return out + middle_bytes_;
  }

 private:
  void Renew(const std::int32_t* words) {
    type_ = words[FrameLayout::kType];
    millions_ = words[FrameLayout::kIdMillions];
    rest_ = words[FrameLayout::kIdRest];
    const auto type = static_cast<std::size_t>(type_);
    std::uint8_t* end = Put(head_.data(), kHeads[type < kHeads.size() ? type : 0]);
    end = PutNumber(end, static_cast<std::uint32_t>(millions_));
    end = PutSixDigits(end, static_cast<std::uint32_t>(rest_) % 1'000'000);
    head_bytes_ = static_cast<std::size_t>(end - head_.data());
  }

  std::array<std::uint8_t, 48> head_{};
  std::size_t head_bytes_ = 0;
  std::array<std::uint8_t, 32> middle_{};
  std::size_t middle_bytes_ = 0;
  std::int32_t type_ = -1;
  std::int32_t millions_ = -1;
  std::int32_t rest_ = -1;
  std::int32_t timestamp_ = -1;
};
// Both arrays are copied whole, before the bytes that follow them are written, so the excess must fit as well.
static_assert(48 + kRestDigits + 32 + kTail.size() <= FrameLayout::kEnvelopeBytes);

// Walks UTF-8 text, counting in UTF-16 units.
class UnitWalk {
 public:
  UnitWalk(const std::uint8_t* bytes, std::size_t begin, std::size_t end, bool ascii)
      : bytes_(bytes), at_(begin), end_(end), ascii_(ascii) {}

  // Advances by `units` UTF-16 units and returns how many bytes they take.
  std::size_t Pass(std::size_t units) {
    const std::size_t begin = at_;
    if (ascii_) {
      at_ += units < end_ - at_ ? units : end_ - at_;
      return at_ - begin;
    }
    // If a surrogate pair was split between two payloads, its halves have become one character. Then this call
    // advances one unit too far, and the next call one less.
    std::size_t passed = ahead_;
    while (at_ < end_ && passed < units) {
      passed += bytes_[at_] >= 0xf0 ? 2 : 1;
      do {
        ++at_;
      } while (at_ < end_ && (bytes_[at_] & 0xc0U) == 0x80U);
    }
    ahead_ = passed > units ? passed - units : 0;
    return at_ - begin;
  }

 private:
  const std::uint8_t* bytes_;
  std::size_t at_;
  std::size_t end_;
  bool ascii_;
  std::size_t ahead_ = 0;
};

}  // namespace

std::size_t LayOutFrames(std::uint8_t* bytes, std::size_t begin, std::size_t text_begin, std::size_t text_end,
                         std::size_t units, const std::int32_t* words, std::size_t count) {
  Envelope envelope;
  UnitWalk walk(bytes, text_begin, text_end, text_end - text_begin == units);
  std::uint8_t* out = bytes + begin;
  const std::uint8_t* text = bytes + text_begin;
  for (std::size_t i = 0; i < count; ++i, words += FrameLayout::kWords) {
    const std::size_t size = walk.Pass(static_cast<std::size_t>(words[FrameLayout::kUnits]));
    const bool bare = words[FrameLayout::kType] != static_cast<std::int32_t>(MessageType::kOther);
    if (bare) out = envelope.PutMiddle(envelope.PutHead(out, words), words);
    std::memmove(out, text, size);
    out += size;
    text += size;
    if (bare) out = Put(out, kTail);
  }
  return static_cast<std::size_t>(out - bytes);
}

}  // namespace sentinel
