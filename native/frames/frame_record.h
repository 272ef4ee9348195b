// The memory for the records of checked lines: fixed-width words that JavaScript reads in place.
// abi/abi.h has their layout.

#ifndef SENTINEL_FRAME_RECORD_H_
#define SENTINEL_FRAME_RECORD_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "abi/abi.h"

namespace sentinel {

// Collects records: room for a fixed number of them, in memory that JavaScript reads. On a stream
// whose reader requested fields, each record of a message has a row of fields beside it.
class RecordSink {
 public:
  RecordSink(std::int32_t* words, std::size_t capacity) : words_(words), capacity_(capacity) {}
  RecordSink(std::int32_t* words, std::size_t capacity, std::int32_t* rows, std::size_t fields)
      : words_(words),
        capacity_(capacity),
        rows_(rows),
        row_words_(FieldWord::kFirst + fields * FieldWord::kEach) {}

  bool full() const { return count_ >= capacity_; }
  std::size_t count() const { return count_; }
  std::size_t refused() const { return refused_; }
  // The words of the next record, all zero but for where its line starts. Not to be called when full.
  std::int32_t* Add(std::size_t line_start) {
    std::int32_t* record = words_ + count_ * FrameRecord::kWords;
    ++count_;
    for (std::size_t i = 0; i < FrameRecord::kWords; ++i) record[i] = 0;
    record[FrameRecord::kLineStart] = static_cast<std::int32_t>(line_start);
    return record;
  }
  // Returns the row of the last record, all zero. Only for a stream with fields.
  std::int32_t* BeginRow() {
    std::int32_t* const row = rows_ + (count_ - 1) * row_words_;
    std::fill_n(row, row_words_, 0);
    return row;
  }
  std::int32_t* first() { return words_; }
  void RemoveLast() { --count_; }
  // Call when the last record is that of a refused line: it takes the work of several and leaves room for fewer.
  void Refuse() {
    ++refused_;
    capacity_ -= std::min(capacity_ - count_, TurnCost::kRefusedLine - 1);
  }
  void Clear() {
    count_ = 0;
    refused_ = 0;
  }

 private:
  std::int32_t* words_;
  std::size_t capacity_;
  std::size_t count_ = 0;
  std::size_t refused_ = 0;
  std::int32_t* rows_ = nullptr;
  std::size_t row_words_ = 0;
};

}  // namespace sentinel

#endif  // SENTINEL_FRAME_RECORD_H_
