// Owns the connected descriptors of an environment, and knows what each is waited for. Takes a few bytes for each,
// where a socket of Node's takes kilobytes. Must not know Node-API.
//
// An entry has what is wanted and what is watched. Wanting less leaves the watch as it is until something arrives
// that is not wanted, because most connections that stop reading go on soon:
//
//            Want(more): Watch                     Want(less): nothing to do
//   wanted ⊃ watched ──────────▶ wanted = watched ──────────▶ wanted ⊂ watched
//                                     ▲                            │ ready for what is not wanted: Watch
//                                     └────────────────────────────┘
//
// Writing is rare, and a socket is almost always writable, so a change of it always changes the watch.

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

  // Makes the set that watches them, before the first Want. Returns the descriptor that becomes readable when any
  // of them is ready.
  Result<Descriptor> Open();

  void Add(OwnedDescriptor connected);
  // Changes what a descriptor is waited for. After a failure it is waited for nothing.
  Status Want(Descriptor connected, Interest interest);
  bool WantsReading(Descriptor connected) const;
  // Whether waiting for a descriptor is a reason for the process to stay alive. It is at first.
  void KeepAlive(Descriptor connected, bool keep);
  // How many descriptors are waited for and keep the process alive.
  std::size_t keeping() const { return keeping_; }
  // Those that are ready for what they are waited for, by turns. Valid until the next call.
  const std::vector<Readiness>& TakeReady();
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
  // Watches an entry for what is wanted.
  Status Watch(Descriptor connected, Entry& entry);
  // Changes an entry, and counts it if it keeps the process alive.
  void Set(Entry& entry, Interest wanted, bool keeps_alive);

  std::unique_ptr<ReadinessSet> set_;
  std::vector<Entry> entries_;  // by descriptor, which the system keeps small
  std::vector<Readiness> ready_;
  std::size_t keeping_ = 0;
};

}  // namespace sentinel

#endif  // SENTINEL_CONNECTED_DESCRIPTORS_H_
