#include "frames/frame_reader.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "frames/byte_search.h"

namespace sentinel {
namespace {

// How many bytes of a discarded line its record shows.
constexpr std::size_t kSampleBytes = 64;

// A byte order mark, as some editors and Windows tools put one at the start of a file.
constexpr std::array<std::uint8_t, 3> kByteOrderMark = {0xef, 0xbb, 0xbf};

// Assigning {} would keep the memory.
void Release(std::vector<std::uint8_t>& bytes) { std::vector<std::uint8_t>().swap(bytes); }

void AddTooLarge(std::size_t start, std::size_t sample_end, std::size_t limit, RecordSink& sink) {
  std::int32_t* record = sink.Add(start);
  record[FrameRecord::kState] = static_cast<std::int32_t>(LineState::kTooLarge);
  record[FrameRecord::kLineEnd] = static_cast<std::int32_t>(sample_end);
  record[FrameRecord::kErrorOffset] = static_cast<std::int32_t>(limit);
  sink.Refuse();
}

// Regardless of the error that the check found, the cause is that the line's end is missing.
void MarkTruncated(std::int32_t* record) {
  if (record[FrameRecord::kState] == static_cast<std::int32_t>(LineState::kMessage)) return;
  record[FrameRecord::kState] = static_cast<std::int32_t>(LineState::kTruncated);
  record[FrameRecord::kErrorOffset] = record[FrameRecord::kLineEnd] - record[FrameRecord::kLineStart];
}

}  // namespace

bool ReadWindow::Attach(std::uint8_t* other_bytes, std::size_t other_capacity) {
  const std::size_t size = holder == nullptr ? 0 : end - begin;
  if (other_capacity < size + kSlack) return false;
  if (size > 0) std::memcpy(other_bytes, bytes + begin, size);
  bytes = other_bytes;
  capacity = other_capacity;
  begin = 0;
  end = size;
  return true;
}

FrameReader::~FrameReader() {
  if (window_->holder == this) window_->holder = nullptr;
}

std::size_t FrameReader::carried() const {
  return window_->holder == this ? window_->end - window_->begin : carry_.size();
}

FrameReader::Room FrameReader::Prepare(std::size_t least) {
  ReadWindow& window = *window_;
  const std::size_t wanted = least + ReadWindow::kSlack;
  if (window.holder != this) {
    if (window.holder != nullptr) window.holder->Yield();
    // The carried bytes are copied back in front of the bytes that complete their line.
    window.begin = 0;
    window.end = carry_.size();
  } else if (window.capacity - window.end < wanted && window.begin > 0) {
    const std::size_t size = window.end - window.begin;
    std::memmove(window.bytes, window.bytes + window.begin, size);
    window.begin = 0;
    window.end = size;
  }
  if (window.capacity < window.end + wanted) return {};
  return {window.end, window.capacity - window.end - ReadWindow::kSlack};
}

FrameReader::Progress FrameReader::Push(std::size_t size, LineScanner& scanner, RecordSink& sink) {
  ReadWindow& window = *window_;
  std::size_t fresh = window.end;
  const std::size_t end = fresh + size;
  if (suspended_) {
    // Lines of an earlier read come first.
    Rejoin(window.begin);
    fresh = window.begin;
    suspended_ = false;
  }
  if (!discarding_) return TakeBytes(window.begin, fresh, end, scanner, sink);
  const void* newline = size == 0 ? nullptr : std::memchr(window.bytes + fresh, '\n', size);
  if (newline == nullptr) return {};
  discarding_ = false;
  const auto next = static_cast<std::size_t>(static_cast<const std::uint8_t*>(newline) - window.bytes) + 1;
  return TakeBytes(next, next, end, scanner, sink);
}

FrameReader::Progress FrameReader::Continue(LineScanner& scanner, RecordSink& sink) {
  if (suspended_) {
    lines_end_ = window_->begin + (lines_end_ - next_);
    next_ = window_->begin;
    end_ = window_->end;
    suspended_ = false;
    Rejoin(next_);
  }
  return ScanLines(next_, scanner, sink);
}

void FrameReader::Suspend() {
  suspended_ = true;
  window_->holder = this;
  window_->begin = next_;
  window_->end = end_;
}

FrameReader::Progress FrameReader::TakeBytes(std::size_t begin, std::size_t fresh, std::size_t end,
                                             LineScanner& scanner, RecordSink& sink) {
  lines_end_ = PastLastNewline(window_->bytes, fresh, end);
  end_ = end;
  if (lines_end_ == fresh) {
    Keep(begin, fresh, end, sink);
    return {};
  }
  Rejoin(begin);
  const std::size_t mark = TakeByteOrderMark(begin, lines_end_);
  const Progress progress = ScanLines(begin + mark, scanner, sink);
  NoteByteOrderMark(sink);
  return progress;
}

std::size_t FrameReader::TakeByteOrderMark(std::size_t begin, std::size_t end) {
  if (start_ != Start::kNothing) return 0;
  const bool found = end - begin >= kByteOrderMark.size() &&
                     std::equal(kByteOrderMark.begin(), kByteOrderMark.end(), window_->bytes + begin);
  start_ = found ? Start::kAfterMark : Start::kPast;
  return found ? kByteOrderMark.size() : 0;
}

void FrameReader::NoteByteOrderMark(RecordSink& sink) {
  if (start_ != Start::kAfterMark || sink.count() == 0) return;
  sink.first()[FrameRecord::kFlags] |= FrameRecord::kAfterMark;
  start_ = Start::kPast;
}

FrameReader::Progress FrameReader::ScanLines(std::size_t begin, LineScanner& scanner, RecordSink& sink) {
  Progress progress;
  progress.text_begin = begin;
  progress.text_end = scanner.Scan(window_->bytes, begin, lines_end_, rules_, sink);
  progress.more = sink.full();  // even the remainder may need a record
  if (progress.more) {
    next_ = progress.text_end;
  } else {
    Keep(progress.text_end, progress.text_end, end_, sink);
  }
  return progress;
}

void FrameReader::Keep(std::size_t begin, std::size_t fresh, std::size_t end, RecordSink& sink) {
  ReadWindow& window = *window_;
  window.holder = nullptr;
  if (begin == end) return;
  if (ExceedsLimit(end - begin, window.bytes[end - 1])) {
    const std::size_t sample = std::min(carry_.empty() ? end - begin : carry_.size(), kSampleBytes);
    if (!carry_.empty()) std::memcpy(window.bytes + begin, carry_.data(), sample);
    Release(carry_);
    AddTooLarge(begin, begin + sample, rules_.max_line_bytes, sink);
    discarding_ = true;
    NoteByteOrderMark(sink);
    start_ = Start::kPast;
  } else if (!carry_.empty()) {
    carry_.insert(carry_.end(), window.bytes + fresh, window.bytes + end);
  } else {
    window.holder = this;
    window.begin = begin;
    window.end = end;
  }
}

void FrameReader::Rejoin(std::size_t begin) {
  window_->holder = nullptr;
  if (carry_.empty()) return;
  std::memcpy(window_->bytes + begin, carry_.data(), carry_.size());
  Release(carry_);
}

void FrameReader::Yield() {
  carry_.assign(window_->bytes + window_->begin, window_->bytes + window_->end);
  window_->holder = nullptr;
}

bool FrameReader::ExceedsLimit(std::size_t line_bytes, std::uint8_t last_byte) const {
  // A carriage return at the end may turn out to belong to the line ending, and the first bytes of the stream to be
  // a byte order mark.
  return line_bytes > rules_.max_line_bytes + (last_byte == '\r' ? 1 : 0) +
                          (start_ == Start::kNothing ? kByteOrderMark.size() : 0);
}

FrameReader::Progress FrameReader::Finish(LineScanner& scanner, RecordSink& sink) {
  if (discarding_ || carried() == 0) return {};
  const std::size_t begin = window_->begin;
  const std::size_t end = window_->end;
  Rejoin(begin);
  window_->bytes[end] = '\n';
  const std::size_t mark = TakeByteOrderMark(begin, end);
  Progress progress;
  progress.text_begin = begin + mark;
  progress.text_end = end + 1;
  scanner.Scan(window_->bytes, begin + mark, end + 1, rules_, sink);
  if (sink.count() == 1) MarkTruncated(sink.first());
  NoteByteOrderMark(sink);
  return progress;
}

}  // namespace sentinel
