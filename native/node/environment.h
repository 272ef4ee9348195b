// What one environment of Node (the main thread, or a worker) has of its own, and how it is taken down.
//
// Descriptors go to JavaScript as plain numbers. Connected ones stay here, where their readiness can be watched; it
// wraps all others at once. A worker may be terminated between the two; what was left without an owner then is
// closed here.

#ifndef SENTINEL_NODE_ENVIRONMENT_H_
#define SENTINEL_NODE_ENVIRONMENT_H_

#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "frames/frame_readers.h"
#include "frames/line_scanner.h"
#include "platform/platform.h"
#include "readiness/connected_descriptors.h"

namespace sentinel {

// Descriptors given to JavaScript whose new owner has not been seen yet.
class HandedDescriptors {
 public:
  // Whatever was handed before has found its owner by now: JavaScript wraps before it asks again.
  void Forget() { handed_.clear(); }
  Result<int> Hand(OwnedDescriptor descriptor) {
    const std::optional<std::uint64_t> cookie = DescriptorCookie(descriptor.get());
    Result<int> number = ToLoopNumber(std::move(descriptor));
    // Without a cookie nobody could tell later whether it still stands for the same thing: better lost than wrongly
    // closed.
    if (number.ok() && cookie.has_value()) handed_.push_back({FromLoopNumber(number.value()), *cookie});
    return number;
  }
  // When the environment ends: its sockets are closed already, so a number that still means the same socket has no
  // owner.
  void Reclaim() {
    for (const Entry& entry : handed_) {
      if (DescriptorCookie(entry.descriptor) == entry.cookie) CloseDescriptor(entry.descriptor);
    }
    handed_.clear();
  }

 private:
  struct Entry {
    Descriptor descriptor;
    std::uint64_t cookie;
  };
  std::vector<Entry> handed_;
};

// Something that must be stopped before the environment goes: it owns a thread.
class EnvironmentMember {
 public:
  EnvironmentMember() = default;
  EnvironmentMember(const EnvironmentMember&) = delete;
  EnvironmentMember& operator=(const EnvironmentMember&) = delete;
  virtual ~EnvironmentMember() = default;
  virtual void EnvironmentEnds() = 0;
};

struct Environment {
  LineScanner scanner;
  // Not std::make_shared: that asks for a newer C++ library than the oldest systems have.
  const std::shared_ptr<ReadWindow> window{std::make_unique<ReadWindow>()};
  FrameReaders readers{window};
  std::int32_t* records = nullptr;
  std::size_t record_capacity = 0;
  std::int32_t* progress = nullptr;
  std::vector<Napi::ObjectReference> attached;  // keeps that memory alive
  Napi::ObjectReference attached_window;
  HandedDescriptors handed;
  ConnectedDescriptors connected;
  // Keeps the event loop alive while somebody waits; empty without a loop that waits.
  std::function<void(bool)> readiness_wanted;
  // Read once: at a later time there might be no descriptor left to read them with, and nobody must pass because of
  // it.
  const UnmappedIds unmapped = ReadUnmappedIds();
  std::set<EnvironmentMember*> members;

  // Before connections are made: what they are waited for with may be wanting, and is asked for when that can be
  // told.
  Status PrepareConnections() {
    if (!kWatchesReadiness) return Done{};
    Result<Descriptor> opened = connected.Open();
    if (!opened.ok()) return opened.failure();
    return Done{};
  }
  // Gives a connected descriptor to JavaScript; it stays here, where its readiness can be watched.
  Result<int> GiveConnected(OwnedDescriptor descriptor) {
    if (!kWatchesReadiness) return handed.Hand(std::move(descriptor));
    const int number = static_cast<int>(descriptor.get());
    connected.Add(std::move(descriptor));
    return number;
  }
  Status Want(Descriptor descriptor, bool reading, bool writing) {
    const bool before = connected.wanted() > 0;
    Status wanted = connected.Want(descriptor, reading, writing);
    NoteWanted(before);
    return wanted;
  }
  void Close(Descriptor descriptor) {
    const bool before = connected.wanted() > 0;
    connected.Close(descriptor);
    NoteWanted(before);
  }

  static Environment& Of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

 private:
  void NoteWanted(bool before) {
    const bool now = connected.wanted() > 0;
    if (now != before && readiness_wanted != nullptr) readiness_wanted(now);
  }
};

}  // namespace sentinel

#endif  // SENTINEL_NODE_ENVIRONMENT_H_
