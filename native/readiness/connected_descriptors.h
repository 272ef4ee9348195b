// Owns the connected descriptors of an environment and knows which readiness each one is waited for. An entry takes
// a few bytes; a socket object of Node takes kilobytes. Must not know Node-API.
//
// An entry keeps the wanted readiness and the watched one. Wanting less does not change the watch until unwanted
// readiness is reported, because most connections that stop reading resume soon:
//
//            Want(more): Watch                     Want(less): nothing to do
//   wanted ⊃ watched ──────────▶ wanted = watched ──────────▶ wanted ⊂ watched
//                                     ▲                            │ ready for what is not wanted: Watch
//                                     └────────────────────────────┘
//
// Writing is rare, and a socket is almost always writable, so a change of interest in it always changes the watch.

#ifndef SENTINEL_CONNECTED_DESCRIPTORS_H_
#define SENTINEL_CONNECTED_DESCRIPTORS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "platform/platform.h"

namespace sentinel {

class ConnectedDescriptors {
 public:
  ConnectedDescriptors() = default;
  ConnectedDescriptors(const ConnectedDescriptors&) = delete;
  ConnectedDescriptors& operator=(const ConnectedDescriptors&) = delete;
  ~ConnectedDescriptors() { CloseAll(); }

  // Creates the set that watches the descriptors; call it before the first Want. Returns a descriptor that becomes
  // readable when any of them is ready.
  Result<Descriptor> Open();

  void Add(OwnedDescriptor connected);
  // Sets the readiness that a descriptor is waited for. After a failure, the descriptor is not waited for at all.
  Status Want(Descriptor connected, Interest interest);
  bool WantsReading(Descriptor connected) const;
  // Sets whether waiting for this descriptor keeps the process alive. Initially it does.
  void KeepAlive(Descriptor connected, bool keep);
  // Number of descriptors that are waited for and keep the process alive.
  std::size_t keeping() const { return keeping_; }
  // The most descriptors that can be ready.
  std::size_t watches() const { return watches_; }
  // The descriptors that have the readiness they are waited for, in turn. Valid until the next call.
  const std::vector<Readiness>& TakeReady();
  // Those of the last call.
  const std::vector<Readiness>& ready() const { return ready_; }
  void Close(Descriptor connected);
  void CloseAll();

 private:
  struct Entry {
    bool owned = false;
    bool keeps_alive = true;
    Interest wanted = Interest::kNothing;
    Interest watched = Interest::kNothing;
  };

  Entry* Find(Descriptor connected);
  // Watches an entry for its wanted readiness.
  Status Watch(Descriptor connected, Entry& entry);
  // Sets what an entry is watched for, and the count of that.
  void SetWatched(Entry& entry, Interest watched);
  // Updates an entry, and the count of those that keep the process alive.
  void Set(Entry& entry, Interest wanted, bool keeps_alive);

  std::unique_ptr<ReadinessSet> set_;
  std::vector<Entry> entries_;  // by descriptor, which the system keeps small
  std::vector<Readiness> ready_;
  std::size_t keeping_ = 0;
  std::size_t watches_ = 0;  // reading and writing count as two
};

}  // namespace sentinel

#endif  // SENTINEL_CONNECTED_DESCRIPTORS_H_
