// Lays outgoing frames out as bytes: puts the envelope around each payload of a run that came as one text.
// abi/abi.h has the layout of their description. std only; must not know Node-API or sockets.

#ifndef SENTINEL_FRAME_LAYOUT_H_
#define SENTINEL_FRAME_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "abi/abi.h"

namespace sentinel {

// Writes `count` frames at `begin`. Their text stands as UTF-8 at `text_begin`, which is at least kEnvelopeBytes a
// frame behind `begin`, and `units` is how many UTF-16 units it was: as many as bytes, when it is ASCII. It is
// overwritten. Answers where the frames end, never behind `text_end + count * kEnvelopeBytes`.
std::size_t LayOutFrames(std::uint8_t* bytes, std::size_t begin, std::size_t text_begin, std::size_t text_end,
                         std::size_t units, const std::int32_t* words, std::size_t count);

}  // namespace sentinel

#endif  // SENTINEL_FRAME_LAYOUT_H_
