// Readiness of many descriptors, by epoll(7).

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <utility>

#include "platform/platform.h"

namespace sentinel {
namespace {

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

class EpollSet final : public ReadinessSet {
 public:
  explicit EpollSet(OwnedDescriptor epoll) : epoll_(std::move(epoll)) {}

  Descriptor descriptor() const override { return epoll_.get(); }

  Status Watch(Descriptor connected, Interest before, Interest now) override {
    if (now == Interest::kNothing) {
      // Takes no memory, so it cannot fail for a watched descriptor.
      Control(EPOLL_CTL_DEL, connected, 0);
      return Done{};
    }
    const std::uint32_t reading = Includes(now, Interest::kReading) ? EPOLLIN | EPOLLRDHUP : 0U;
    const std::uint32_t writing = Includes(now, Interest::kWriting) ? EPOLLOUT : 0U;
    const int operation = before == Interest::kNothing ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (Control(operation, connected, reading | writing)) return Done{};
    switch (errno) {
      case ENOMEM:
      case ENOSPC: return Failure{FailureKind::kExhausted, errno, "epoll_ctl", {}};
      default: return Failure{FailureKind::kSystem, errno, "epoll_ctl", {}};
    }
  }

  // The kernel moves each descriptor that it reports to the end of its list. So the descriptors that have waited
  // longest come first.
  void Take(std::vector<Readiness>& ready) override {
    ready.clear();
    std::array<epoll_event, kMostAtOnce> events{};
    // On failure, ready descriptors are reported by the next call.
    const int count = epoll_wait(Number(epoll_.get()), events.data(), kMostAtOnce, 0);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      // An ended connection is ready for both reading and writing.
      const bool over = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
      ready.push_back({static_cast<Descriptor>(event.data.fd), over || (event.events & (EPOLLIN | EPOLLRDHUP)) != 0,
                       over || (event.events & EPOLLOUT) != 0});
    }
  }

 private:
  bool Control(int operation, Descriptor descriptor, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = Number(descriptor);
    return epoll_ctl(Number(epoll_.get()), operation, Number(descriptor), &event) == 0;
  }

  const OwnedDescriptor epoll_;
};

}  // namespace

const bool kWatchesReadiness = true;

Result<std::unique_ptr<ReadinessSet>> CreateReadinessSet() {
  OwnedDescriptor epoll(static_cast<Descriptor>(epoll_create1(EPOLL_CLOEXEC)));
  if (!epoll.valid()) return Failure{FailureKind::kExhausted, errno, "epoll_create1", {}};
  return std::unique_ptr<ReadinessSet>(std::make_unique<EpollSet>(std::move(epoll)));
}

}  // namespace sentinel
