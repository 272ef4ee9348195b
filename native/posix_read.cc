// Reads a socket: recv(2), again and again for a bounded time if so wanted.

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <optional>

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

Result<std::size_t> ReadNow(Descriptor connected, std::uint8_t* bytes, std::size_t size,
                            std::uint32_t max_microseconds) {
  std::optional<Clock::time_point> end;
  for (;;) {
    const ssize_t received = recv(static_cast<int>(connected), bytes, size, MSG_DONTWAIT);
    if (received >= 0) return static_cast<std::size_t>(received);
    switch (errno) {
      case EAGAIN:
      case EINTR: break;
      case ENOMEM:
      case ENOBUFS: return Failure{FailureKind::kWouldBlock, errno, "recv", {}};
      default: return Failure{FailureKind::kSystem, errno, "recv", {}};
    }
    // The clock is looked at only when there is nothing.
    if (max_microseconds == 0) return Failure{FailureKind::kWouldBlock, EAGAIN, "recv", {}};
    if (!end.has_value()) {
      end = Clock::now() + std::chrono::microseconds(max_microseconds);
    } else if (Clock::now() >= *end) {
      return Failure{FailureKind::kWouldBlock, EAGAIN, "recv", {}};
    }
    Relax();
  }
}

}  // namespace sentinel
