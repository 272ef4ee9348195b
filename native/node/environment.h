// The state of one environment of Node (the main thread, or a worker), and how it is taken down. Connected
// descriptors stay here, where their readiness can be watched, and go to JavaScript as plain numbers.

#ifndef SENTINEL_NODE_ENVIRONMENT_H_
#define SENTINEL_NODE_ENVIRONMENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "abi/abi.h"
#include "frames/frame_readers.h"
#include "frames/line_scanner.h"
#include "node/files.h"
#include "node/handed_descriptors.h"
#include "node/script.h"
#include "platform/platform.h"
#include "readiness/connected_descriptors.h"
#include "readiness/turn.h"

namespace sentinel {

// Owns a thread, which must be stopped before the environment goes.
class EnvironmentMember {
 public:
  EnvironmentMember() = default;
  EnvironmentMember(const EnvironmentMember&) = delete;
  EnvironmentMember& operator=(const EnvironmentMember&) = delete;
  virtual ~EnvironmentMember() = default;
  virtual void EnvironmentEnds() = 0;
};

// JavaScript memory to which frame readers write their records and the outcome of a step. Attached once; the
// rows of fields are attached when the first stream has fields.
struct RecordMemory {
  std::int32_t* records = nullptr;
  std::size_t record_capacity = 0;
  std::int32_t* progress = nullptr;  // words of FrameProgress; nullptr until attached
  std::int32_t* rows = nullptr;      // of FieldWord, for the records of streams with fields; nullptr until attached
  Reference kept_records;
  Reference kept_progress;
  Reference kept_rows;
};

struct Environment {
  LineScanner scanner;
  // Not std::make_shared: that requires a newer C++ library than the oldest supported systems have.
  const std::shared_ptr<ReadWindow> window{std::make_unique<ReadWindow>()};
  FrameReaders readers{window};
  RecordMemory memory;
  Turn turn;
  Reference kept_window;
  HandedDescriptors handed;
  // Shared with calls in flight on the thread pool. Not std::make_shared, as above.
  const std::shared_ptr<OpenFiles> files{std::make_unique<OpenFiles>()};
  ConnectedDescriptors connected;
  // Whether connected descriptors stay here. False if the system has no readiness notification (Windows) or if the
  // program that loaded the addon has no libuv event loop.
  bool watches_readiness = false;
  // Called to keep the event loop alive or to stop doing so; empty before readiness.start.
  std::function<void(bool)> keep_loop_alive;
  // Read once, at the start: later the process might have no free descriptor to read them, and an
  // unmapped peer must not be admitted because of that.
  const UnmappedIds unmapped = ReadUnmappedIds();
  std::set<EnvironmentMember*> members;

  // Opens the readiness set before the first connection exists, so that a lack of descriptors is reported by a call
  // that can fail.
  Status PrepareConnections() {
    if (!watches_readiness) return Done{};
    Result<Descriptor> opened = connected.Open();
    if (!opened.ok()) return opened.failure();
    return Done{};
  }
  // Gives the number of a connected descriptor to JavaScript. The descriptor stays here if its readiness is
  // watched.
  Result<int> GiveConnected(OwnedDescriptor descriptor) {
    if (!watches_readiness) return handed.Hand(std::move(descriptor));
    const int number = static_cast<int>(descriptor.get());
    connected.Add(std::move(descriptor));
    return number;
  }
  Status Want(Descriptor descriptor, Interest interest) {
    const bool before = connected.keeping() > 0;
    Status wanted = connected.Want(descriptor, interest);
    NoteKeeping(before);
    return wanted;
  }
  void KeepAlive(Descriptor descriptor, bool keep) {
    const bool before = connected.keeping() > 0;
    connected.KeepAlive(descriptor, keep);
    NoteKeeping(before);
  }
  void Close(Descriptor descriptor) {
    const bool before = connected.keeping() > 0;
    connected.Close(descriptor);
    NoteKeeping(before);
  }

  static Environment& Of(napi_env env) {
    void* data = nullptr;
    napi_get_instance_data(env, &data);
    return *static_cast<Environment*>(data);
  }

 private:
  void NoteKeeping(bool before) {
    const bool now = connected.keeping() > 0;
    if (now != before && keep_loop_alive != nullptr) keep_loop_alive(now);
  }
};

}  // namespace sentinel

#endif  // SENTINEL_NODE_ENVIRONMENT_H_
