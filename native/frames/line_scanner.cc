#include "frames/line_scanner.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "frames/byte_search.h"
#include "frames/field_finder.h"
#include "frames/line_checker.h"
#include "simdjson.h"

namespace sentinel {
namespace {

// Lines are checked in blocks of about this many bytes: large enough to share the cost of a pass, small enough to
// stay in the processor's cache.
constexpr std::size_t kBlockBytes = std::size_t{1} << 16;

bool IsAscii(const std::uint8_t* bytes, std::size_t size) {
  // Independent sums: with a single one, each step would wait for the one before.
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
  // Forwards first: searching backwards for the start of a long line would be one more pass over it.
  const std::size_t first_end = FindNewline(window, begin, end) + 1;
  return first_end >= begin + kBlockBytes ? first_end : PastLastNewline(window, first_end, begin + kBlockBytes);
}

// A line's content ends before its newline, and before a carriage return in front of that.
std::size_t ContentEnd(const std::uint8_t* window, std::size_t start, std::size_t newline) {
  return newline > start && window[newline - 1] == '\r' ? newline - 1 : newline;
}

// Returns the position of the first byte of [start, end) that is not UTF-8, or `end`.
std::size_t FindBadUtf8(const std::uint8_t* text, std::size_t start, std::size_t end) {
  const auto continues = [&](std::size_t at) { return at < end && (text[at] & 0xc0U) == 0x80U; };
  std::size_t at = start;
  while (at < end) {
    const std::uint8_t first = text[at];
    std::size_t length = first < 0x80   ? 1
                         : first < 0xc2 ? 0
                         : first < 0xe0 ? 2
                         : first < 0xf0 ? 3
                         : first < 0xf5 ? 4
                                        : 0;
    if (length == 0) return at;
    for (std::size_t i = 1; i < length; ++i) {
      if (!continues(at + i)) return at;
    }
    const unsigned second = length > 2 ? text[at + 1] : 0x80U;
    const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool surrogate = first == 0xed && second >= 0xa0;
    const bool too_large = first == 0xf4 && second >= 0x90;
    if (overlong || surrogate || too_large) return at;
    at += length;
  }
  return end;
}

// The first control character within a string of [start, end), or else the quote that opens a string and is never
// closed. `start` if there is neither.
std::size_t FindBadString(const std::uint8_t* text, std::size_t start, std::size_t end) {
  bool open = false;
  std::size_t quote = start;
  for (std::size_t at = start; at < end; ++at) {
    if (text[at] == '"') {
      open = !open;
      quote = at;
    } else if (open && text[at] < 0x20) {
      return at;
    } else if (open && text[at] == '\\') {
      ++at;
    }
  }
  return open ? quote : start;
}

// Refuses a line because of an error of simdjson's first stage or because of its length.
void RefuseLine(const std::uint8_t* window, std::size_t start, std::size_t end, std::size_t limit, LineState state,
                RecordSink& sink) {
  std::size_t offset = 0;
  if (state == LineState::kEncoding) offset = FindBadUtf8(window, start, end) - start;
  if (state == LineState::kSyntax) offset = FindBadString(window, start, end) - start;
  if (state == LineState::kTooLarge) offset = std::min(limit, end - start);
  std::int32_t* const record = sink.Add(start);
  record[FrameRecord::kState] = static_cast<std::int32_t>(state);
  record[FrameRecord::kLineEnd] = static_cast<std::int32_t>(end);
  record[FrameRecord::kErrorOffset] = static_cast<std::int32_t>(offset);
  sink.Refuse();
}

}  // namespace

struct LineScanner::Stage {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  std::size_t capacity = 0;

  // Returns false if memory has run out.
  bool Reserve(std::size_t bytes) {
    if (bytes <= capacity) return true;
    const std::size_t wanted = std::max(bytes, kBlockBytes);
    if (parser == nullptr) {
      // Not get_active_implementation(), which lets an environment variable choose.
      static const simdjson::implementation* const best =
          simdjson::get_available_implementations().detect_best_supported();
      if (best->create_dom_parser_implementation(wanted, 1, parser) != simdjson::SUCCESS) return false;
    } else if (parser->allocate(wanted, 1) != simdjson::SUCCESS) {
      return false;
    }
    capacity = wanted;
    return true;
  }

  // Frees the memory of an unusually long line.
  void Trim() {
    if (capacity <= kBlockBytes) return;
    parser.reset();
    capacity = 0;
  }
};

LineScanner::LineScanner() : stage_(std::make_unique<Stage>()) {}
LineScanner::~LineScanner() = default;

std::size_t LineScanner::Scan(const std::uint8_t* window, std::size_t begin, std::size_t end,
                              const LineRules& rules, RecordSink& sink) {
  rules_ = rules;
  if (rules.fields != nullptr && finder_ == nullptr) finder_ = std::make_unique<FieldFinder>();
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
  // Without memory nothing can be checked, and an unchecked line does not pass.
  const simdjson::error_code error = stage_->Reserve(size)
                                         ? stage_->parser->stage1(block, size, simdjson::stage1_mode::regular)
                                         : simdjson::MEMALLOC;
  if (error != simdjson::SUCCESS) {
    if (FindNewline(window, begin, end) + 1 != end) return ScanOneByOne(window, begin, end, sink);
    const std::size_t content_end = ContentEnd(window, begin, end - 1);
    const LineState state = StateOf(error, content_end - begin);
    if (content_end > begin) RefuseLine(window, begin, content_end, rules_.max_line_bytes, state, sink);
    return end;
  }

  // The checker follows positions without knowing their number, so the last ones must be those of a newline.
  std::uint32_t* const structurals = stage_->parser->structural_indexes.get();
  std::fill_n(structurals + stage_->parser->n_structural_indexes, 3, static_cast<std::uint32_t>(size - 1));

  const bool all_ascii = IsAscii(block, size);
  const bool has_escapes = HasBackslash(block, size);
  FieldFinder* const finder = rules_.fields == nullptr ? nullptr : finder_.get();
  if (finder != nullptr) finder->Reset(*rules_.fields, begin, has_escapes);
  LineChecker checker(block, structurals, has_escapes, begin, finder);
  std::size_t start = begin;
  while (start < end && !sink.full()) {
    // A larger block is a single line.
    const std::size_t newline = size > kBlockBytes ? end - 1 : FindNewline(window, start, end);
    const std::size_t content_end = ContentEnd(window, start, newline);
    if (content_end - start > rules_.max_line_bytes) {
      RefuseLine(window, start, content_end, rules_.max_line_bytes, LineState::kTooLarge, sink);
      checker.Skip(content_end - begin);
    } else if (content_end > start) {
      const bool ascii = all_ascii || IsAscii(window + start, content_end - start);
      std::int32_t* const record = sink.Add(start);
      if (finder != nullptr) finder->Begin(sink.BeginRow(), content_end - begin);
      const bool valid = checker.Check(start - begin, content_end - begin, ascii, record);
      if (!valid && !(start == begin && newline + 1 == end)) {
        sink.RemoveLast();
        return ScanOneByOne(window, start, end, sink);
      }
      if (!valid) sink.Refuse();
    }
    start = newline + 1;
  }
  return start;
}

LineState LineScanner::StateOf(int error, std::size_t line_bytes) const {
  if (line_bytes > rules_.max_line_bytes) return LineState::kTooLarge;
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
