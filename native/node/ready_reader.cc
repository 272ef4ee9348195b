#include "node/ready_reader.h"

#include <vector>

#include "node/reading.h"

namespace sentinel {
namespace {

// Consecutive reads of a connection that is the only ready one, before the others are checked again.
constexpr int kMostAlone = 8;

// While many connections are ready, reads must be small for V8 to free the messages of one read before the next
// read of the same connection: its young generation holds some ten thousand messages, and messages still in use are
// copied. So each connection's turn is 64 KiB, in small reads.
constexpr int kCrowdReads = 16;
constexpr std::size_t kCrowdReadBytes = 4096;

}  // namespace

bool ReadyReader::ReadAlone() {
  if (alone_turns_ == kMostAlone || !environment_.connected.WantsReading(alone_)) return false;
  if (Read(alone_, kReadBytes) == Outcome::kNothing) return false;
  // A connection that takes up a whole turn does not need this shortcut.
  alone_turns_ = MustWait(environment_) ? kMostAlone : alone_turns_ + 1;
  return true;
}

void ReadyReader::BeginTurn() {
  const ConnectedDescriptors& connected = environment_.connected;
  const std::uint32_t ended = rounds_.BeginTurn(next_ < connected.ready().size(), connected.watches());
  if (std::int32_t* const words = environment_.memory.progress; words != nullptr) {
    words[FrameProgress::kRounds] = static_cast<std::int32_t>(ended);
  }
}

void ReadyReader::ReadReady() {
  rounds_.FoundReady();
  if (MustWait(environment_)) return;
  ConnectedDescriptors& connected = environment_.connected;
  const std::vector<Readiness>& ready = connected.ready();
  // Descriptors left from the last turn come first: the system would report them again before any other.
  if (next_ >= ready.size()) {
    // With a single connection that exchanges messages in turn, the wake-up is most likely its next message.
    if (ReadAlone()) return;
    alone_turns_ = 0;
    connected.TakeReady();
    next_ = 0;
    rounds_.Took(ready.size(), ready.size() == ReadinessSet::kMostAtOnce);
    alone_ = ready.size() == 1 && ready[0].readable ? ready[0].descriptor : Descriptor::kNone;
  }
  const bool crowd = ready.size() == ReadinessSet::kMostAtOnce;
  const std::size_t most = crowd ? kCrowdReadBytes : kReadBytes;
  const int reads = crowd ? kCrowdReads : 1;
  // The callback may close some descriptors and wait for new ones with the same number.
  while (next_ < ready.size() && !MustWait(environment_)) {
    const Readiness one = ready[next_++];
    if (one.writable && !Call(one.descriptor, RecordCount::kWritable)) return;
    for (int i = 0; i < reads && one.readable && connected.WantsReading(one.descriptor); ++i) {
      if (MustWait(environment_)) return;
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
