// Lays outgoing frames out as bytes: puts the envelope around each payload of a run that came as one text. The
// counterpart of lib/wire/batch.ts: change both together. std only; must not know Node-API or sockets.

#ifndef SENTINEL_FRAME_LAYOUT_H_
#define SENTINEL_FRAME_LAYOUT_H_

#include <cstddef>
#include <cstdint>

namespace sentinel {

// Word indices of what is known of one frame beforehand.
struct FrameLayout {
  static constexpr std::size_t kUnits = 0;       // of its part of the text, in UTF-16 units
  static constexpr std::size_t kType = 1;        // a MessageType, or kOther: the text has the whole frame already
  static constexpr std::size_t kIdMillions = 2;  // the id's milliseconds / 1,000,000
  static constexpr std::size_t kIdRest = 3;      // and what is left of them
  static constexpr std::size_t kIdSequence = 4;  // the six digits that follow
  static constexpr std::size_t kTimestamp = 5;   // seconds, not negative
  static constexpr std::size_t kWords = 6;

  // More than any envelope takes.
  static constexpr std::size_t kEnvelopeBytes = 96;
};

// Writes `count` frames at `begin`. Their text stands as UTF-8 at `text_begin`, which is at least kEnvelopeBytes a
// frame behind `begin`, and `units` is how many UTF-16 units it was: as many as bytes, when it is ASCII. It is
// overwritten. Answers where the frames end, never behind `text_end + count * kEnvelopeBytes`.
std::size_t LayOutFrames(std::uint8_t* bytes, std::size_t begin, std::size_t text_begin, std::size_t text_end,
                         std::size_t units, const std::int32_t* words, std::size_t count);

}  // namespace sentinel

#endif  // SENTINEL_FRAME_LAYOUT_H_
