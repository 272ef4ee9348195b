#include "frame_reader.h"

#include <algorithm>
#include <cstring>

#include "byte_search.h"

namespace sentinel {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

std::size_t FirstNewline(const std::uint8_t* bytes, std::size_t begin, std::size_t end) {
  if (begin >= end) return kNone;
  const void* found = std::memchr(bytes + begin, '\n', end - begin);
  return found == nullptr ? kNone : static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - bytes);
}

// Assigning {} would keep the memory.
void Release(std::vector<std::uint8_t>& bytes) { std::vector<std::uint8_t>().swap(bytes); }

void AddTooLarge(std::size_t start, std::size_t sample_end, RecordSink& sink) {
  std::int32_t* record = sink.Add();
  record[FrameRecord::kState] = static_cast<std::int32_t>(LineState::kTooLarge);
  record[FrameRecord::kLineStart] = static_cast<std::int32_t>(start);
  record[FrameRecord::kLineEnd] = static_cast<std::int32_t>(sample_end);
}

}  // namespace

FrameReader::Progress FrameReader::Push(const ReadWindow& window, std::size_t size, LineScanner& scanner,
                                        RecordSink& sink) {
  std::size_t begin = window.read_begin;
  const std::size_t end = begin + size;
  if (discarding_) {
    const std::size_t newline = FirstNewline(window.bytes, begin, end);
    if (newline == kNone) return {};
    discarding_ = false;
    begin = newline + 1;
  } else if (!carry_.empty()) {
    begin = JoinCarry(window, end, sink);
  }
  return ScanLines(window, begin, end, scanner, sink);
}

FrameReader::Progress FrameReader::Continue(const ReadWindow& window, LineScanner& scanner, RecordSink& sink) {
  return ScanLines(window, next_, end_, scanner, sink);
}

FrameReader::Progress FrameReader::ScanLines(const ReadWindow& window, std::size_t begin, std::size_t end,
                                             LineScanner& scanner, RecordSink& sink) {
  Progress progress;
  const std::size_t lines_end = PastLastNewline(window.bytes, begin, end);
  progress.text_begin = begin;
  progress.text_end = scanner.Scan(window.bytes, begin, lines_end, max_line_bytes_, sink);
  progress.more = sink.full();  // even the remainder may need a record
  if (progress.more) {
    next_ = progress.text_end;
    end_ = end;
  } else {
    Keep(window, progress.text_end, end, sink);
  }
  return progress;
}

std::size_t FrameReader::JoinCarry(const ReadWindow& window, std::size_t end, RecordSink& sink) {
  const std::size_t newline = FirstNewline(window.bytes, window.read_begin, end);
  if (newline == kNone) {
    Keep(window, window.read_begin, end, sink);
    return end;
  }
  const std::size_t line_bytes = carry_.size() + (newline - window.read_begin);
  const std::uint8_t last = newline > window.read_begin ? window.bytes[newline - 1] : carry_.back();
  if (ExceedsLimit(line_bytes, last)) {
    ReportCarryTooLarge(window, sink);
    return newline + 1;
  }
  const std::size_t start = window.read_begin - carry_.size();
  std::memcpy(window.bytes + start, carry_.data(), carry_.size());
  Release(carry_);
  return start;
}

void FrameReader::Keep(const ReadWindow& window, std::size_t begin, std::size_t end, RecordSink& sink) {
  if (begin == end) return;
  if (ExceedsLimit(carry_.size() + (end - begin), window.bytes[end - 1])) {
    if (carry_.empty()) {
      AddTooLarge(begin, std::min(end, begin + ReadWindow::kSampleBytes), sink);
    } else {
      ReportCarryTooLarge(window, sink);
    }
    discarding_ = true;
    return;
  }
  carry_.insert(carry_.end(), window.bytes + begin, window.bytes + end);
}

bool FrameReader::ExceedsLimit(std::size_t line_bytes, std::uint8_t last_byte) const {
  // A carriage return at the end may turn out to belong to the line ending.
  return line_bytes > max_line_bytes_ + (last_byte == '\r' ? 1 : 0);
}

void FrameReader::ReportCarryTooLarge(const ReadWindow& window, RecordSink& sink) {
  const std::size_t sample = std::min(carry_.size(), ReadWindow::kSampleBytes);
  std::memcpy(window.bytes, carry_.data(), sample);
  AddTooLarge(0, sample, sink);
  Release(carry_);
}

FrameReader::Progress FrameReader::Finish(const ReadWindow& window, LineScanner& scanner, RecordSink& sink) {
  if (discarding_ || carry_.empty()) return {};
  Progress progress;
  progress.text_begin = window.read_begin - carry_.size();
  progress.text_end = window.read_begin + 1;
  std::memcpy(window.bytes + progress.text_begin, carry_.data(), carry_.size());
  window.bytes[window.read_begin] = '\n';
  Release(carry_);
  scanner.Scan(window.bytes, progress.text_begin, progress.text_end, max_line_bytes_, sink);
  // However it fails, what ails it is that its end is missing.
  if (sink.count() == 1) {
    std::int32_t& state = sink.first()[FrameRecord::kState];
    if (state != static_cast<std::int32_t>(LineState::kMessage))
      state = static_cast<std::int32_t>(LineState::kTruncated);
  }
  return progress;
}

}  // namespace sentinel
