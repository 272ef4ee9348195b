// The frame readers of an environment's connections, by descriptor. A connection has a reader of
// its own only while it has an unfinished line, because thousands may have none. std and simdjson
// only.

#ifndef SENTINEL_FRAME_READERS_H_
#define SENTINEL_FRAME_READERS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "frames/frame_reader.h"

namespace sentinel {

class FrameReaders {
 public:
  explicit FrameReaders(std::shared_ptr<ReadWindow> window) : window_(std::move(window)) {}

  // Begins a stream whose lines may have at most this many bytes; at least 1. `fields` is null if
  // none are requested.
  void Open(std::size_t stream, std::size_t max_line_bytes, std::unique_ptr<const FieldSet> fields) {
    if (stream >= streams_.size()) streams_.resize(stream + 1);
    constexpr std::size_t kMost = UINT32_MAX;
    streams_[stream] = {static_cast<std::uint32_t>(std::min(max_line_bytes, kMost)), FrameReader::Start::kNothing,
                        std::move(fields), nullptr};
  }
  void Close(std::size_t stream) {
    if (stream < streams_.size()) streams_[stream] = {};
  }

  // Returns the reader of an open stream, or nullptr. Call Settle after each step.
  FrameReader* Of(std::size_t stream) {
    if (stream >= streams_.size() || streams_[stream].max_line_bytes == 0) return nullptr;
    Stream& found = streams_[stream];
    if (found.reader == nullptr) {
      found.reader = spare_ != nullptr ? std::move(spare_) : std::make_unique<FrameReader>(window_);
      found.reader->Begin({found.max_line_bytes, found.fields.get()}, found.start);
    }
    return found.reader.get();
  }
  // Returns the number of fields that the reader of a stream requested.
  std::size_t FieldsOf(std::size_t stream) const {
    return stream < streams_.size() && streams_[stream].fields != nullptr ? streams_[stream].fields->size() : 0;
  }
  // Takes the reader back from a stream if it keeps nothing.
  void Settle(std::size_t stream) {
    if (stream >= streams_.size() || streams_[stream].reader == nullptr || !streams_[stream].reader->idle()) return;
    streams_[stream].start = streams_[stream].reader->start();
    spare_ = std::move(streams_[stream].reader);
  }

 private:
  struct Stream {
    std::uint32_t max_line_bytes = 0;                         // 0: not open
    FrameReader::Start start = FrameReader::Start::kNothing;  // if it has no reader
    std::unique_ptr<const FieldSet> fields;
    std::unique_ptr<FrameReader> reader;
  };

  const std::shared_ptr<ReadWindow> window_;
  std::vector<Stream> streams_;
  std::unique_ptr<FrameReader> spare_;
};

}  // namespace sentinel

#endif  // SENTINEL_FRAME_READERS_H_
