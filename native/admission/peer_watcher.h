// Tells when the process behind a connection has ended, which the connection itself does not show while a child of
// that process keeps the socket open. One thread for all watched processes of an environment. Must not know
// Node-API.

#ifndef SENTINEL_PEER_WATCHER_H_
#define SENTINEL_PEER_WATCHER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "platform/platform.h"

namespace sentinel {

class PeerWatcher {
 public:
  // Numbers of ended watches are written to `notify_thread_end`, 8 bytes each.
  static Result<std::unique_ptr<PeerWatcher>> Start(OwnedDescriptor notify_thread_end);

  PeerWatcher(const PeerWatcher&) = delete;
  PeerWatcher& operator=(const PeerWatcher&) = delete;
  ~PeerWatcher();

  // Watches a process (see OpenPeerProcess) until it ends or Forget is called.
  void Watch(std::uint64_t number, OwnedDescriptor process);
  void Forget(std::uint64_t number);
  void Stop();

 private:
  PeerWatcher(OwnedDescriptor waker, OwnedDescriptor notify_thread_end)
      : waker_(std::move(waker)), notify_(std::move(notify_thread_end)) {}
  void Run();
  // Reports a watch whose process has ended. False when that must be tried again.
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
