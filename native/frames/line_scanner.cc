#include "frames/line_scanner.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "frames/byte_search.h"
#include "frames/line_checker.h"
#include "simdjson.h"

namespace sentinel {
namespace {

// Lines are looked at in blocks of about this many bytes: large enough to share the cost of a pass, small
// enough to stay in the processor's cache.
constexpr std::size_t kBlockBytes = std::size_t{1} << 16;

bool IsAscii(const std::uint8_t* bytes, std::size_t size) {
  // Sums that do not depend on each other: with one alone the processor waits for it at each step.
  constexpr std::size_t kLanes = 64;
  std::array<std::uint8_t, kLanes> lanes{};
  std::size_t i = 0;
  for (; size - i >= kLanes; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) lanes[k] |= bytes[i + k];
  }
  std::uint8_t bits = 0;
  for (const std::uint8_t lane : lanes) bits |= lane;
  for (; i < size; ++i) bits |= bytes[i];
  return (bits & 0x80U) == 0;
}

bool HasBackslash(const std::uint8_t* bytes, std::size_t size) { return std::memchr(bytes, '\\', size) != nullptr; }

std::size_t FindNewline(const std::uint8_t* window, std::size_t begin, std::size_t end) {
  const void* found = std::memchr(window + begin, '\n', end - begin);
  return static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - window);
}

// The end of a block that begins at `begin`: after the last newline within kBlockBytes, or else after the first.
std::size_t BlockEnd(const std::uint8_t* window, std::size_t begin, std::size_t end) {
  if (end - begin <= kBlockBytes) return end;
  // Forwards first: where a line is long, to look for its beginning backwards would be one more pass over it.
  const std::size_t first_end = FindNewline(window, begin, end) + 1;
  return first_end >= begin + kBlockBytes ? first_end : PastLastNewline(window, first_end, begin + kBlockBytes);
}

// A line's content ends before its newline, and before a carriage return in front of that.
std::size_t ContentEnd(const std::uint8_t* window, std::size_t start, std::size_t newline) {
  return newline > start && window[newline - 1] == '\r' ? newline - 1 : newline;
}

void RefuseLine(std::size_t start, std::size_t end, LineState state, std::int32_t* record) {
  record[FrameRecord::kState] = static_cast<std::int32_t>(state);
  record[FrameRecord::kLineStart] = static_cast<std::int32_t>(start);
  record[FrameRecord::kLineEnd] = static_cast<std::int32_t>(end);
}

}  // namespace

struct LineScanner::Stage {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  std::size_t capacity = 0;

  // False when there is no memory.
  bool Reserve(std::size_t bytes) {
    if (bytes <= capacity) return true;
    const std::size_t wanted = std::max(bytes, kBlockBytes);
    if (parser == nullptr) {
      // Not get_active_implementation(): that one lets an environment variable choose.
      static const simdjson::implementation* const best =
          simdjson::get_available_implementations().detect_best_supported();
      if (best->create_dom_parser_implementation(wanted, 1, parser) != simdjson::SUCCESS) return false;
    } else if (parser->allocate(wanted, 1) != simdjson::SUCCESS) {
      return false;
    }
    capacity = wanted;
    return true;
  }

  // Gives back what an unusually long line took.
  void Trim() {
    if (capacity <= kBlockBytes) return;
    parser.reset();
    capacity = 0;
  }
};

LineScanner::LineScanner() : stage_(std::make_unique<Stage>()) {}
LineScanner::~LineScanner() = default;

std::size_t LineScanner::Scan(const std::uint8_t* window, std::size_t begin, std::size_t end,
                              std::size_t max_line_bytes, RecordSink& sink) {
  max_line_bytes_ = max_line_bytes;
  while (begin < end && !sink.full()) {
    begin = ScanBlock(window, begin, BlockEnd(window, begin, end), sink);
  }
  stage_->Trim();
  return begin;
}

std::size_t LineScanner::ScanBlock(const std::uint8_t* window, std::size_t begin, std::size_t end,
                                   RecordSink& sink) {
  const std::uint8_t* block = window + begin;
  const std::size_t size = end - begin;
  // Nothing can be checked without memory, and what is not checked does not pass.
  const simdjson::error_code error = stage_->Reserve(size)
                                         ? stage_->parser->stage1(block, size, simdjson::stage1_mode::regular)
                                         : simdjson::MEMALLOC;
  if (error != simdjson::SUCCESS) {
    if (FindNewline(window, begin, end) + 1 != end) return ScanOneByOne(window, begin, end, sink);
    const std::size_t content_end = ContentEnd(window, begin, end - 1);
    if (content_end > begin) RefuseLine(begin, content_end, StateOf(error, content_end - begin), sink.Add());
    return end;
  }

  // The checker follows positions without asking how many there are; it must end up at a newline.
  std::uint32_t* const structurals = stage_->parser->structural_indexes.get();
  std::fill_n(structurals + stage_->parser->n_structural_indexes, 3, static_cast<std::uint32_t>(size - 1));

  const bool all_ascii = IsAscii(block, size);
  LineChecker checker(block, structurals, HasBackslash(block, size), begin);
  std::size_t start = begin;
  while (start < end && !sink.full()) {
    // A block that is larger is one line.
    const std::size_t newline = size > kBlockBytes ? end - 1 : FindNewline(window, start, end);
    const std::size_t content_end = ContentEnd(window, start, newline);
    if (content_end - start > max_line_bytes_) {
      RefuseLine(start, content_end, LineState::kTooLarge, sink.Add());
      checker.Skip(content_end - begin);
    } else if (content_end > start) {
      const bool ascii = all_ascii || IsAscii(window + start, content_end - start);
      const bool valid = checker.Check(start - begin, content_end - begin, ascii, sink.Add());
      if (!valid && !(start == begin && newline + 1 == end)) {
        sink.RemoveLast();
        return ScanOneByOne(window, start, end, sink);
      }
    }
    start = newline + 1;
  }
  return start;
}

LineState LineScanner::StateOf(int error, std::size_t line_bytes) const {
  if (line_bytes > max_line_bytes_) return LineState::kTooLarge;
  switch (error) {
    case simdjson::UTF8_ERROR: return LineState::kEncoding;
    case simdjson::MEMALLOC: return LineState::kTooLarge;
    default: return LineState::kSyntax;
  }
}

std::size_t LineScanner::ScanOneByOne(const std::uint8_t* window, std::size_t begin, std::size_t end,
                                      RecordSink& sink) {
  while (begin < end && !sink.full()) begin = ScanBlock(window, begin, FindNewline(window, begin, end) + 1, sink);
  return begin;
}

}  // namespace sentinel
