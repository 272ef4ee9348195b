// Busy polling of a socket: recv(2) again and again, for a bounded time.

#include <sys/socket.h>

#include <cerrno>
#include <chrono>

#include "platform.h"

namespace sentinel {
namespace {

using Clock = std::chrono::steady_clock;

// Lets the other thread of the core, where there is one, have its turn.
void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

}  // namespace

Result<std::size_t> PollRead(Descriptor connected, std::uint8_t* bytes, std::size_t size,
                             std::uint32_t max_microseconds) {
  const Clock::time_point end = Clock::now() + std::chrono::microseconds(max_microseconds);
  do {
    const ssize_t received = recv(static_cast<int>(connected), bytes, size, MSG_DONTWAIT);
    if (received > 0) return static_cast<std::size_t>(received);
    // The end of the stream shows again to whoever reads next, who can tell it; a reset shows but once.
    if (received == 0) return static_cast<std::size_t>(0);
    switch (errno) {
      case EAGAIN:
      case EINTR: break;
      case ENOMEM:
      case ENOBUFS: return static_cast<std::size_t>(0);
      default: return Failure{FailureKind::kSystem, errno, "recv", {}};
    }
    Relax();
  } while (Clock::now() < end);
  return static_cast<std::size_t>(0);
}

}  // namespace sentinel
