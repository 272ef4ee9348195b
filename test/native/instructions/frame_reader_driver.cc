// Runs the frame reader over fixed input for callgrind, which counts the
// instructions of MeasuredPass alone. The input is made here, so that a count
// changes only with the code and the compiler. Usage: frame_reader_driver INPUT

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "frames/frame_reader.h"

namespace {

using sentinel::FieldSet;
using sentinel::FieldWord;
using sentinel::FrameReader;
using sentinel::FrameRecord;
using sentinel::LineScanner;
using sentinel::ReadWindow;
using sentinel::RecordSink;

constexpr std::size_t kMaxLine = 1 << 20;
constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kHeadroomBytes = 4096;
constexpr std::size_t kRecords = 1024;
constexpr std::size_t kInputBytes = 1 << 20;
// A prime, so that the ends of lines and reads meet in all ways.
constexpr std::size_t kShortReadBytes = 1499;

struct Input {
  std::string bytes;
  std::size_t lines = 0;
  std::size_t read_bytes = kReadBytes;
  std::vector<std::string> fields;
};

std::string Envelope(std::size_t i, const std::string &payload) {
  return R"({"type":"soc_event","id":"17000000001)" + std::to_string(10'000'000 + i) +
         R"(","ts":1700000000,"payload":)" + payload + "}\n";
}

// The line of the benchmarks: a payload of seven keys.
std::string Logon(std::size_t i) {
  return Envelope(i, R"({"host":"web-1.prod.example","user":"alice","src_ip":"10.20.30.40","dst_port":443,)"
                     R"("process":"/usr/sbin/sshd","sequence":)" +
                         std::to_string(10'000'000 + i) +
                         R"(,"message":"Failed password for invalid user alice from 10.20.30.40 port 5123 ssh2"})");
}

// Shaped like a Windows event: many short members, numbers, and a long text
// with escapes.
std::string Event(std::size_t i) {
  std::string payload = R"({"EventID":4624)";
  for (std::size_t k = 0; k < 36; ++k) {
    payload += R"(,"Field)" + std::to_string(k) + R"(Name":)";
    payload += k % 4 == 0 ? std::to_string(i * k) : R"("value-)" + std::to_string(k) + R"(")";
  }
  payload += R"(,"Message":")";
  for (std::size_t k = 0; k < 12; ++k) payload += R"(\tItem:\t\tC:\\Windows\\System32\\svchost.exe\r\n)";
  return Envelope(i, payload + R"("})");
}

// Not ASCII, with nested arrays and an envelope in another order.
std::string Foreign(std::size_t i) {
  return R"({"payload":{"names":["Müller","Ωμέγα","日本語"],"nested":[[1,[2,[3]]],{"a":{"b":null}}],"ok":true},"ts":)" +
         std::to_string(1'700'000'000 + i) + R"(,"extra":-1.5e3,"id":"x","type":"soc_incident"})" + "\n";
}

// Every other line is none: what it costs to say so.
std::string Invalid(std::size_t i) {
  return i % 2 == 0 ? Logon(i) : "{\"type\":\"soc_event\",\"payload\":{\"a\":}}\n";
}

Input Make(std::string (*make_line)(std::size_t), std::size_t read_bytes) {
  Input input;
  input.read_bytes = read_bytes;
  while (input.bytes.size() < kInputBytes) input.bytes += make_line(input.lines++);
  return input;
}

struct Machinery {
  LineScanner scanner;
  std::vector<std::uint8_t> memory = std::vector<std::uint8_t>(kReadBytes + kHeadroomBytes);
  std::shared_ptr<ReadWindow> window = std::make_shared<ReadWindow>();
  FrameReader reader{window};
  std::vector<std::int32_t> words = std::vector<std::int32_t>(kRecords * FrameRecord::kWords);
  std::unique_ptr<const FieldSet> fields;
  std::vector<std::int32_t> rows;
};

// The measured part: one read and everything that follows from it. Returns the
// number of lines it ended.
__attribute__((noinline)) std::size_t MeasuredPass(Machinery &machinery, std::size_t size) {
  std::size_t lines = 0;
  RecordSink sink = machinery.fields == nullptr ? RecordSink(machinery.words.data(), kRecords)
                                                : RecordSink(machinery.words.data(), kRecords,
                                                             machinery.rows.data(), machinery.fields->size());
  FrameReader::Progress progress = machinery.reader.Push(size, machinery.scanner, sink);
  lines += sink.count();
  while (progress.more) {
    sink.Clear();
    progress = machinery.reader.Continue(machinery.scanner, sink);
    lines += sink.count();
  }
  return lines;
}

std::size_t ReadAll(Machinery &machinery, const Input &input) {
  machinery.fields = FieldSet::Make(input.fields);
  machinery.rows.resize(kRecords * (FieldWord::kFirst + FieldWord::kEach * input.fields.size()));
  machinery.window->Attach(machinery.memory.data(), machinery.memory.size());
  machinery.reader.Begin({kMaxLine, machinery.fields.get()}, FrameReader::Start::kPast);
  std::size_t lines = 0;
  for (std::size_t at = 0; at < input.bytes.size(); at += input.read_bytes) {
    const std::size_t size = std::min(input.read_bytes, input.bytes.size() - at);
    const FrameReader::Room room = machinery.reader.Prepare(size);
    if (room.size < size) return 0;
    std::memcpy(machinery.window->bytes + room.begin, input.bytes.data() + at, size);
    lines += MeasuredPass(machinery, size);
  }
  return lines;
}

}  // namespace

int main(int argc, char **argv) {
  const std::string name = argc == 2 ? argv[1] : "";
  Input input;
  if (name == "logon") input = Make(Logon, kReadBytes);
  if (name == "event") input = Make(Event, kReadBytes);
  if (name == "foreign") input = Make(Foreign, kReadBytes);
  if (name == "invalid") input = Make(Invalid, kReadBytes);
  if (name == "fields") {
    input = Make(Event, kReadBytes);
    input.fields = {"/EventID", "/Field17Name", "/Message/none"};
  }
  if (name == "torn") input = Make(Logon, kShortReadBytes);
  if (input.lines == 0) {
    std::fputs("usage: frame_reader_driver logon|event|fields|foreign|invalid|torn\n", stderr);
    return 2;
  }
  Machinery machinery;
  const std::size_t lines = ReadAll(machinery, input);
  if (lines != input.lines) {
    std::fprintf(stderr, "%zu lines came of %zu\n", lines, input.lines);
    return 1;
  }
  std::printf("%zu\n", lines);
  return 0;
}
