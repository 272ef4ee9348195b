// Lays out outgoing frames as bytes: wraps each payload of a run, which arrives as one text, in its envelope.
// abi/abi.h has the layout of the words that describe the frames. std only; must not know Node-API or sockets.

#ifndef SENTINEL_FRAME_LAYOUT_H_
#define SENTINEL_FRAME_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "abi/abi.h"

namespace sentinel {

// Writes `count` frames at `begin` and returns where they end, at most `text_end + count * kEnvelopeBytes`. The
// text of the frames is the UTF-8 at [text_begin, text_end), which is overwritten; `text_begin` must be at least
// `count * kEnvelopeBytes` past `begin`. `units` is the length of that text in UTF-16 units; it equals the number
// of bytes only if the text is ASCII.
std::size_t LayOutFrames(std::uint8_t* bytes, std::size_t begin, std::size_t text_begin, std::size_t text_end,
                         std::size_t units, const std::int32_t* words, std::size_t count);

}  // namespace sentinel

#endif  // SENTINEL_FRAME_LAYOUT_H_
