#include "node/ready_reader.h"

#include <vector>

#include "node/reading.h"

namespace sentinel {
namespace {

// Reads in a row of a connection that is alone in being ready, before the others are looked at.
constexpr int kMostAlone = 8;

// Where many are ready at once, V8 frees the messages of one read before the next read of the same connection only
// if reads are small: its young generation holds some ten thousand messages, and copies those that are still in
// use. So the turn of each connection is 64 KiB in small reads.
constexpr int kCrowdReads = 16;
constexpr std::size_t kCrowdReadBytes = 4096;

}  // namespace

bool ReadyReader::ReadAlone() {
  if (alone_turns_ == kMostAlone || !environment_.connected.WantsReading(alone_)) return false;
  if (Read(alone_, kReadBytes) == Outcome::kNothing) return false;
  ++alone_turns_;
  return true;
}

void ReadyReader::ReadReady() {
  // With one connection that goes to and fro, the wake-up is most likely its next message.
  if (ReadAlone()) return;
  alone_turns_ = 0;
  ConnectedDescriptors& connected = environment_.connected;
  const std::vector<Readiness>& ready = connected.TakeReady();
  alone_ = ready.size() == 1 && ready[0].readable ? ready[0].descriptor : Descriptor::kNone;
  const bool crowd = ready.size() == ReadinessSet::kMostAtOnce;
  const std::size_t most = crowd ? kCrowdReadBytes : kReadBytes;
  const int reads = crowd ? kCrowdReads : 1;
  // The callback may close some of them, and wait for new ones of the same number.
  for (const Readiness& one : ready) {
    if (one.writable && !Call(one.descriptor, RecordCount::kWritable)) return;
    for (int i = 0; i < reads && one.readable && connected.WantsReading(one.descriptor); ++i) {
      const Outcome outcome = Read(one.descriptor, most);
      if (outcome == Outcome::kEnvironmentEnds) return;
      if (outcome != Outcome::kFull) break;
    }
  }
}

ReadyReader::Outcome ReadyReader::Read(Descriptor descriptor, std::size_t most) {
  const RecordsRead read = ReadRecords(environment_, static_cast<std::size_t>(descriptor), most);
  if (read.outcome == RecordsRead::Outcome::kNothing) return Outcome::kNothing;
  if (!Call(descriptor, read.records)) return Outcome::kEnvironmentEnds;
  return read.outcome == RecordsRead::Outcome::kFull ? Outcome::kFull : Outcome::kRead;
}

bool ReadyReader::Call(Descriptor descriptor, std::int32_t records) const {
  return on_ready_.Run(static_cast<std::int32_t>(descriptor), records);
}

}  // namespace sentinel
