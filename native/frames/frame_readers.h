// The frame readers of an environment's connections, by descriptor. A connection has one of its own only while it
// has an unfinished line: thousands may have none. std and simdjson only.

#ifndef SENTINEL_FRAME_READERS_H_
#define SENTINEL_FRAME_READERS_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "frames/frame_reader.h"

namespace sentinel {

class FrameReaders {
 public:
  explicit FrameReaders(std::shared_ptr<ReadWindow> window) : window_(std::move(window)) {}

  // From now on the stream of this number has lines of at most so many bytes; at least 1.
  void Open(std::size_t stream, std::size_t max_line_bytes) {
    if (stream >= streams_.size()) streams_.resize(stream + 1);
    streams_[stream] = {max_line_bytes, nullptr};
  }
  void Close(std::size_t stream) {
    if (stream < streams_.size()) streams_[stream] = {};
  }

  // The reader of an open stream, or nullptr. To be settled after each step.
  FrameReader* Of(std::size_t stream) {
    if (stream >= streams_.size() || streams_[stream].max_line_bytes == 0) return nullptr;
    Stream& found = streams_[stream];
    if (found.reader == nullptr) {
      found.reader = spare_ != nullptr ? std::move(spare_) : std::make_unique<FrameReader>(window_);
      found.reader->SetLimit(found.max_line_bytes);
    }
    return found.reader.get();
  }
  // Takes the reader back from a stream of which it keeps nothing.
  void Settle(std::size_t stream) {
    if (stream < streams_.size() && streams_[stream].reader != nullptr && streams_[stream].reader->idle())
      spare_ = std::move(streams_[stream].reader);
  }

 private:
  struct Stream {
    std::size_t max_line_bytes = 0;  // 0: not open
    std::unique_ptr<FrameReader> reader;
  };

  const std::shared_ptr<ReadWindow> window_;
  std::vector<Stream> streams_;
  std::unique_ptr<FrameReader> spare_;
};

}  // namespace sentinel

#endif  // SENTINEL_FRAME_READERS_H_
