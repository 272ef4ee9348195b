// Reports the end of the process behind a connection, which the connection itself does not show while a child of
// that process keeps the socket open. One thread watches all processes of an environment. Must not know Node-API.

#ifndef SENTINEL_PEER_WATCHER_H_
#define SENTINEL_PEER_WATCHER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "abi/abi.h"
#include "platform/platform.h"

namespace sentinel {

// The name of a state, as lib/binding/abi.ts lists them. Empty for a number that is not a state.
const char* WatchStateName(WatchState state);

class PeerWatcher {
 public:
  // Starts the thread. It writes the number of each watch whose process has ended to `notify_thread_end`, 8 bytes
  // each.
  static Result<std::unique_ptr<PeerWatcher>> Start(OwnedDescriptor notify_thread_end);

  PeerWatcher(const PeerWatcher&) = delete;
  PeerWatcher& operator=(const PeerWatcher&) = delete;
  ~PeerWatcher();

  // Watches a process (see OpenPeerProcess) until it ends or Forget is called. `number` must not be in use.
  void Watch(std::uint64_t number, OwnedDescriptor process);
  void Forget(std::uint64_t number);
  // Ends the thread and forgets all. May be called again.
  void Stop();

 private:
  PeerWatcher(OwnedDescriptor waker, OwnedDescriptor notify_thread_end)
      : waker_(std::move(waker)), notify_(std::move(notify_thread_end)) {}
  void Run();
  // Reports a watch whose process has ended. Returns false if that must be tried again.
  bool Report(std::uint64_t number);

  const OwnedDescriptor waker_;
  const OwnedDescriptor notify_;
  std::unique_ptr<Thread> thread_;

  std::mutex mutex_;  // guards all that follows
  bool stopping_ = false;
  // Shared, so that the thread may wait on a process while it is being forgotten.
  std::map<std::uint64_t, std::shared_ptr<const OwnedDescriptor>> watched_;
};

}  // namespace sentinel

#endif  // SENTINEL_PEER_WATCHER_H_
