// libFuzzer target for the frame reader: the input is a stream and where it is
// cut. Whatever the bytes, the records lie within the window. The same stream
// gives the same records however it is cut, however small the sink is, whatever
// other stream uses the window between its reads, and however often it is
// suspended between two steps of a read.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "frames/frame_reader.h"

namespace {

using sentinel::FrameReader;
using sentinel::FrameRecord;
using sentinel::LineScanner;
using sentinel::LineState;
using sentinel::ReadWindow;
using sentinel::RecordSink;

constexpr std::size_t kMaxLine = 2048;  // small, so that the fuzzer meets it
constexpr std::size_t kReadBytes = 4096;

void Require(bool condition, const char *what) {
  if (condition) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

std::string Describe(const std::vector<std::uint8_t> &window, const std::int32_t *record) {
  const auto at = [&](std::size_t word) { return static_cast<std::size_t>(record[word]); };
  const std::size_t start = at(FrameRecord::kLineStart);
  const std::size_t end = at(FrameRecord::kLineEnd);
  Require(start <= end && end <= window.size(), "a line lies in the window");
  std::string text = std::to_string(record[FrameRecord::kState]);
  if (record[FrameRecord::kState] != static_cast<std::int32_t>(LineState::kMessage)) {
    // How much of a line over the limit is shown depends on where it was cut.
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

// Reads one stream. Windows are as small as possible; larger ones are attached
// when they are needed.
class Stream {
 public:
  Stream(std::shared_ptr<ReadWindow> window, std::vector<std::uint8_t> &memory, std::size_t sink_capacity)
      : window_(std::move(window)), memory_(memory), reader_(window_), words_(sink_capacity * FrameRecord::kWords) {
    reader_.Begin({kMaxLine}, FrameReader::Start::kNothing);
  }

  void Push(const std::uint8_t *bytes, std::size_t size) {
    const FrameReader::Room room = Prepare(size);
    std::memcpy(window_->bytes + room.begin, bytes, size);
    RecordSink sink(words_.data(), words_.size() / FrameRecord::kWords);
    FrameReader::Progress progress = reader_.Push(size, scanner_, sink);
    Take(sink);
    while (progress.more) {
      if (between_steps_ != nullptr) {
        reader_.Suspend();
        Require(reader_.suspended() && !reader_.idle(), "lines are kept");
        between_steps_();
        Prepare(1);
      }
      sink.Clear();
      progress = reader_.Continue(scanner_, sink);
      Take(sink);
    }
    // A carriage return and a byte order mark do not count.
    Require(reader_.carried() <= kMaxLine + 4, "no more than a line is kept");
  }

  // Has the stream suspended between two steps, and `turn` called then.
  void SuspendBetweenSteps(std::function<void()> turn) { between_steps_ = std::move(turn); }

  void Finish() {
    Prepare(1);
    RecordSink sink(words_.data(), words_.size() / FrameRecord::kWords);
    reader_.Finish(scanner_, sink);
    Take(sink);
  }

  const std::vector<std::string> &found() const { return found_; }

 private:
  FrameReader::Room Prepare(std::size_t least) {
    FrameReader::Room room = reader_.Prepare(least);
    if (room.size == 0) {
      std::vector<std::uint8_t> larger(reader_.carried() + least + ReadWindow::kSlack);
      Require(window_->Attach(larger.data(), larger.size()), "a window of the wanted size fits");
      memory_.swap(larger);
      room = reader_.Prepare(least);
    }
    Require(room.size >= least && room.begin + room.size < memory_.size(), "there is room in the window");
    return room;
  }
  void Take(RecordSink &sink) {
    for (std::size_t i = 0; i < sink.count(); ++i) {
      found_.push_back(Describe(memory_, words_.data() + i * FrameRecord::kWords));
    }
  }

  const std::shared_ptr<ReadWindow> window_;
  std::vector<std::uint8_t> &memory_;
  LineScanner scanner_;
  FrameReader reader_;
  std::vector<std::int32_t> words_;
  std::vector<std::string> found_;
  std::function<void()> between_steps_;
};

// Feeds the stream in pieces of the given sizes, repeatedly, and returns its
// records. Unless `between` is 0, another stream has its turn after that many
// pieces; if it is odd, also between the steps of one piece.
std::vector<std::string> Read(const std::uint8_t *bytes, std::size_t size, const std::vector<std::size_t> &cuts,
                              std::size_t sink_capacity, std::size_t between) {
  std::vector<std::uint8_t> memory(ReadWindow::kSlack);
  auto window = std::make_shared<ReadWindow>();
  window->Attach(memory.data(), memory.size());
  Stream stream(window, memory, sink_capacity);
  Stream other(window, memory, sink_capacity);
  const std::string others = "{\"type\":\"soc_ack\"}\n{\"type\":";
  std::size_t piece = 0;
  if (between % 2 == 1) {
    stream.SuspendBetweenSteps(
        [&] { other.Push(reinterpret_cast<const std::uint8_t *>(others.data()), piece % others.size()); });
  }
  for (std::size_t at = 0; at < size; ++piece) {
    const std::size_t length = std::min(cuts[piece % cuts.size()], size - at);
    stream.Push(bytes + at, length);
    at += length;
    if (between != 0 && piece % between == 0)
      other.Push(reinterpret_cast<const std::uint8_t *>(others.data()), piece % others.size() + 1);
  }
  stream.Finish();
  return stream.found();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  if (size < 4) return 0;
  const std::vector<std::size_t> cuts = {data[0] + std::size_t{1}, data[1] * std::size_t{3} + 1,
                                         data[2] * std::size_t{16} + 1};
  const std::size_t sink_capacity = data[3] % 8 + std::size_t{1};
  const std::vector<std::string> cut = Read(data + 4, size - 4, cuts, sink_capacity, data[3] / 64U);
  const std::vector<std::string> whole = Read(data + 4, size - 4, {kReadBytes}, 1024, 0);
  if (cut != whole) {
    for (const std::string &line : cut) std::fprintf(stderr, "cut: %s\n", line.c_str());
    for (const std::string &line : whole) std::fprintf(stderr, "whole: %s\n", line.c_str());
  }
  Require(cut == whole, "a stream means the same wherever it is cut");
  return 0;
}
