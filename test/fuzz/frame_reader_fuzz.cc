// libFuzzer target for the frame reader: the input is a stream and where it is cut. Whatever the bytes, the records lie
// within the window, and the same stream gives the same records however it is cut and however small the sink is.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../../native/frame_reader.h"

namespace {

using sentinel::FrameReader;
using sentinel::FrameRecord;
using sentinel::LineScanner;
using sentinel::LineState;
using sentinel::ReadWindow;
using sentinel::RecordSink;

constexpr std::size_t kMaxLine = 2048;  // small, so that the fuzzer meets it
constexpr std::size_t kReadArea = 4096;

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

std::string Describe(const std::vector<std::uint8_t>& window, const std::int32_t* record) {
  const auto at = [&](std::size_t word) { return static_cast<std::size_t>(record[word]); };
  const std::size_t start = at(FrameRecord::kLineStart);
  const std::size_t end = at(FrameRecord::kLineEnd);
  Require(start <= end && end <= window.size(), "a line lies in the window");
  std::string text = std::to_string(record[FrameRecord::kState]);
  if (record[FrameRecord::kState] != static_cast<std::int32_t>(LineState::kMessage)) {
    // How much of a line that is too long is shown depends on where it was cut.
    if (record[FrameRecord::kState] == static_cast<std::int32_t>(LineState::kTooLarge)) return text;
    Require(at(FrameRecord::kErrorOffset) <= end - start, "an error lies in its line");
    return text + "@" + std::to_string(record[FrameRecord::kErrorOffset]);
  }
  for (const std::size_t word : {FrameRecord::kTypeStart, FrameRecord::kIdStart, FrameRecord::kPayloadStart}) {
    const std::size_t from = at(word);
    const std::size_t to = at(word + 1);
    Require(from <= to, "a part ends after its start");
    if (from == to) continue;
    Require(start < from && to < end, "a part lies within its line");
    text += "|" + std::string(window.begin() + static_cast<std::ptrdiff_t>(from),
                              window.begin() + static_cast<std::ptrdiff_t>(to));
  }
  Require(at(FrameRecord::kTypeStart) != at(FrameRecord::kTypeEnd), "a message has a type");
  return text + "|" + std::to_string(record[FrameRecord::kTimestampLow]) + "," +
         std::to_string(record[FrameRecord::kTimestampHigh]) + "," + std::to_string(record[FrameRecord::kFlags]) +
         "," + std::to_string(record[FrameRecord::kTypeCode]);
}

// Feeds the stream in pieces of the given sizes, again and again; answers what was found in it.
std::vector<std::string> Read(const std::uint8_t* bytes, std::size_t size, const std::vector<std::size_t>& cuts,
                              std::size_t sink_capacity) {
  LineScanner scanner;
  FrameReader reader(kMaxLine);
  std::vector<std::uint8_t> memory(kMaxLine + ReadWindow::kSlack + kReadArea);
  const ReadWindow window = {memory.data(), kMaxLine + ReadWindow::kSlack, kReadArea};
  std::vector<std::int32_t> words(sink_capacity * FrameRecord::kWords);
  std::vector<std::string> found;
  const auto take = [&](RecordSink& sink) {
    for (std::size_t i = 0; i < sink.count(); ++i) {
      found.push_back(Describe(memory, words.data() + i * FrameRecord::kWords));
    }
  };
  std::size_t piece = 0;
  for (std::size_t at = 0; at < size; ++piece) {
    const std::size_t length = std::min(cuts[piece % cuts.size()], size - at);
    std::memcpy(window.bytes + window.read_begin, bytes + at, length);
    at += length;
    RecordSink sink(words.data(), sink_capacity);
    FrameReader::Progress progress = reader.Push(window, length, scanner, sink);
    take(sink);
    while (progress.more) {
      sink.Clear();
      progress = reader.Continue(window, scanner, sink);
      take(sink);
    }
    Require(reader.carried() <= kMaxLine + 1, "no more than a line is kept");
  }
  RecordSink sink(words.data(), sink_capacity);
  reader.Finish(window, scanner, sink);
  take(sink);
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const std::vector<std::size_t> cuts = {data[0] + std::size_t{1}, data[1] * std::size_t{3} + 1,
                                         data[2] * std::size_t{16} + 1};
  const std::size_t sink_capacity = data[3] % 8 + std::size_t{1};
  const std::vector<std::string> cut = Read(data + 4, size - 4, cuts, sink_capacity);
  const std::vector<std::string> whole = Read(data + 4, size - 4, {kReadArea}, 1024);
  if (cut != whole) {
    for (const std::string& line : cut) std::fprintf(stderr, "cut: %s\n", line.c_str());
    for (const std::string& line : whole) std::fprintf(stderr, "whole: %s\n", line.c_str());
  }
  Require(cut == whole, "a stream means the same wherever it is cut");
  return 0;
}
