// Reads from a socket, checks whether it is readable, and pauses between checks: recv(2), poll(2).

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "platform/platform.h"

namespace sentinel {

Result<std::size_t> ReadNow(Descriptor connected, std::uint8_t* bytes, std::size_t size) {
  const ssize_t received = recv(static_cast<int>(connected), bytes, size, MSG_DONTWAIT);
  if (received >= 0) return static_cast<std::size_t>(received);
  switch (errno) {
    case EAGAIN:
    case EINTR:
    case ENOMEM:
    case ENOBUFS: return Failure{FailureKind::kWouldBlock, errno, "recv", {}};
    default: return Failure{FailureKind::kSystem, errno, "recv", {}};
  }
}

bool ReadableNow(Descriptor descriptor) {
  pollfd watched = {static_cast<int>(descriptor), POLLIN, 0};
  return poll(&watched, 1, 0) != 0;
}

void RestProcessor() {
  // Together these take some tenths of a microsecond, about as long as one check.
  for (int i = 0; i < 8; ++i) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
  }
}

}  // namespace sentinel
