// Owns the connected descriptors of an environment, and knows what each is waited for: a few bytes for each, where
// a socket of Node's takes kilobytes. Must not know Node-API.

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

  // Makes the set that they are waited for with; before the first Want. Answers what becomes readable when some of
  // them are ready.
  Result<Descriptor> Open();

  void Add(OwnedDescriptor connected);
  // What it is waited for from now on.
  Status Want(Descriptor connected, bool reading, bool writing);
  bool WantsReading(Descriptor connected) const;
  // How many are waited for.
  std::size_t wanted() const { return wanted_; }
  // Those that are ready for what they are waited for, in their turns. Valid until the next call.
  const std::vector<Readiness>& TakeReady();
  void Close(Descriptor connected);
  void CloseAll();

 private:
  struct Entry {
    bool owned = false;
    bool reading = false;  // is waited for
    bool writing = false;
    bool watched_reading = false;  // is in the set for it
    bool watched_writing = false;
  };

  Entry* Find(Descriptor connected);
  Status Watch(Descriptor connected, Entry& entry);

  std::unique_ptr<ReadinessSet> set_;
  std::vector<Entry> entries_;  // by number: the system gives small ones
  std::vector<Readiness> ready_;
  std::size_t wanted_ = 0;
};

}  // namespace sentinel

#endif  // SENTINEL_CONNECTED_DESCRIPTORS_H_
