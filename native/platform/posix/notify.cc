// Wakes the event loop from a thread of the addon, over a socket pair, and lets such a thread wait.
// The counterpart of win32/notify.cc.

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "platform/platform.h"
#include "platform/posix/unix_socket.h"

namespace sentinel {
namespace {

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

// All or nothing: so few bytes are never split. Returns `when_full` if the stream has no room.
bool SendNotification(Descriptor thread_end, const std::uint8_t* bytes, std::size_t size, bool when_full) {
  for (;;) {
    if (send(Number(thread_end), bytes, size, kSendFlags) >= 0) return true;
    switch (errno) {
      case EINTR: continue;
      case EAGAIN: return when_full;
      case EPIPE:  // the other end is closed
      case ECONNRESET: return true;
      default:  // ENOBUFS, ENOMEM
        return false;
    }
  }
}

}  // namespace

Result<NotifyPair> CreateNotifyPair() {
  NotifyPair pair;
  if (!CreateSocketPair(pair.loop, pair.thread)) return SocketFailure("socketpair");
  return pair;
}

bool Notify(Descriptor thread_end) {
  const std::uint8_t byte = 1;
  return SendNotification(thread_end, &byte, 1, true);
}

bool NotifyNumber(Descriptor thread_end, std::uint64_t number) {
  std::uint8_t bytes[8];
  for (std::uint8_t& byte : bytes) {
    byte = static_cast<std::uint8_t>(number & 0xffU);
    number >>= 8U;
  }
  return SendNotification(thread_end, bytes, sizeof(bytes), false);
}

bool WaitReadable(const std::vector<Descriptor>& descriptors, int timeout_ms, std::vector<bool>& ready) {
  std::vector<pollfd> watched;
  watched.reserve(descriptors.size());
  for (const Descriptor descriptor : descriptors) watched.push_back({Number(descriptor), POLLIN, 0});
  ready.assign(descriptors.size(), false);
  if (poll(watched.data(), static_cast<nfds_t>(watched.size()), timeout_ms) < 0) {
    if (errno != EINTR) poll(nullptr, 0, kFailurePauseMs);  // out of memory, most likely
    return false;
  }
  for (std::size_t i = 0; i < watched.size(); ++i) ready[i] = watched[i].revents != 0;
  return true;
}

}  // namespace sentinel
