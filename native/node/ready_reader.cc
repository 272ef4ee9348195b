#include "node/ready_reader.h"

#include <cstdint>
#include <vector>

#include "node/reading.h"

namespace sentinel {
namespace {

// So many reads in a row of a connection that is alone in being ready, without a look at the others.
constexpr int kMostAlone = 8;

// Where many are ready at once, what the messages of one read take is freed by V8 before the next read of the same
// connection comes only if reads are small: its young generation holds some ten thousand messages, and copies those
// that somebody still has. So each connection's turn is 64 KiB in small reads.
constexpr int kCrowdReads = 16;
constexpr std::size_t kCrowdReadBytes = 4096;

// What JavaScript is told instead of a number of records: the kernel takes bytes again.
constexpr double kWritable = -2;

}  // namespace

bool ReadyReader::ReadAlone() {
  if (alone_turns_ == kMostAlone || !environment_.connected.WantsReading(alone_)) return false;
  if (Read(alone_, kReadBytes) == Outcome::kNothing) return false;
  ++alone_turns_;
  return true;
}

void ReadyReader::ReadReady() {
  // One connection that goes to and fro: what has woken us is most likely its next message.
  if (ReadAlone()) return;
  alone_turns_ = 0;
  ConnectedDescriptors& connected = environment_.connected;
  const std::vector<Readiness>& ready = connected.TakeReady();
  alone_ = ready.size() == 1 && ready[0].readable ? ready[0].descriptor : Descriptor::kNone;
  const bool crowd = ready.size() == ReadinessSet::kMostAtOnce;
  const std::size_t most = crowd ? kCrowdReadBytes : kReadBytes;
  const int reads = crowd ? kCrowdReads : 1;
  // What is called may close some of them, and wait for others by the same number.
  for (const Readiness& one : ready) {
    if (one.writable && !Call(one.descriptor, kWritable)) return;
    for (int i = 0; i < reads && one.readable && connected.WantsReading(one.descriptor); ++i) {
      const Outcome outcome = Read(one.descriptor, most);
      if (outcome == Outcome::kGone) return;
      if (outcome != Outcome::kFull) break;
    }
  }
}

ReadyReader::Outcome ReadyReader::Read(Descriptor descriptor, std::size_t most) {
  const RecordsRead read = ReadRecords(environment_, static_cast<std::size_t>(descriptor), most);
  if (read.nothing) return Outcome::kNothing;
  if (!Call(descriptor, read.records)) return Outcome::kGone;
  return read.full ? Outcome::kFull : Outcome::kRead;
}

// False: there is nobody to call any more. By hand, as this is done for each read: with the wrappers it takes half
// as long again.
bool ReadyReader::Call(Descriptor descriptor, double records) {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return false;
  napi_value callback = nullptr;
  napi_value arguments[2] = {};
  napi_value answer = nullptr;
  napi_get_reference_value(env_, on_ready_, &callback);
  napi_create_int32(env_, static_cast<std::int32_t>(descriptor), &arguments[0]);
  napi_create_int32(env_, static_cast<std::int32_t>(records), &arguments[1]);
  const napi_status status = napi_make_callback(env_, context_, callback, callback, 2, arguments, &answer);
  bool called = status == napi_ok;
  if (status == napi_pending_exception) {
    // As if the event loop had called it itself.
    napi_value error = nullptr;
    called =
        napi_get_and_clear_last_exception(env_, &error) == napi_ok && napi_fatal_exception(env_, error) == napi_ok;
  }
  napi_close_handle_scope(env_, scope);
  return called;
}

}  // namespace sentinel
