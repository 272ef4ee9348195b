// Where the records of checked lines go: fixed-width words that JavaScript reads in place. abi/abi.h has their
// layout.

#ifndef SENTINEL_FRAME_RECORD_H_
#define SENTINEL_FRAME_RECORD_H_

#include <cstddef>
#include <cstdint>

#include "abi/abi.h"

namespace sentinel {

// Where records go: room for a fixed number of them, in memory that JavaScript sees.
class RecordSink {
 public:
  RecordSink(std::int32_t* words, std::size_t capacity) : words_(words), capacity_(capacity) {}
  bool full() const { return count_ == capacity_; }
  std::size_t count() const { return count_; }
  // The words of the next record, all zero. Not to be called when full.
  std::int32_t* Add() {
    std::int32_t* record = words_ + count_ * FrameRecord::kWords;
    ++count_;
    for (std::size_t i = 0; i < FrameRecord::kWords; ++i) record[i] = 0;
    return record;
  }
  std::int32_t* first() { return words_; }
  void RemoveLast() { --count_; }
  void Clear() { count_ = 0; }

 private:
  std::int32_t* words_;
  std::size_t capacity_;
  std::size_t count_ = 0;
};

}  // namespace sentinel

#endif  // SENTINEL_FRAME_RECORD_H_
