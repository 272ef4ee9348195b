// Readiness of many descriptors, by epoll(7).

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "platform.h"

namespace sentinel {
namespace {

constexpr int kMostAtOnce = 256;
constexpr int kShortageMs = 20;

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

class EpollSet final : public ReadinessSet {
 public:
  EpollSet(OwnedDescriptor epoll, OwnedDescriptor waker) : epoll_(std::move(epoll)), waker_(std::move(waker)) {}

  Status Watch(Descriptor connected) override {
    if (Control(EPOLL_CTL_MOD, connected, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT)) return Done{};
    if (errno == ENOENT && Control(EPOLL_CTL_ADD, connected, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT)) return Done{};
    switch (errno) {
      case ENOMEM:
      case ENOSPC: return Failure{FailureKind::kExhausted, errno, "epoll_ctl", {}};
      default: return Failure{FailureKind::kSystem, errno, "epoll_ctl", {}};
    }
  }

  // Cannot fail for want of anything; ENOENT says that it was never watched.
  void Forget(Descriptor connected) override {
    epoll_ctl(Number(epoll_.get()), EPOLL_CTL_DEL, Number(connected), nullptr);
  }

  void Wait(std::vector<Descriptor>& ready) override {
    ready.clear();
    std::array<epoll_event, kMostAtOnce> events{};
    const int count = epoll_wait(Number(epoll_.get()), events.data(), kMostAtOnce, -1);
    if (count < 0) {
      // EINTR is nothing; for anything else, try again later instead of spinning.
      if (errno != EINTR) poll(nullptr, 0, kShortageMs);
      return;
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const auto descriptor = static_cast<Descriptor>(events[i].data.fd);
      if (descriptor == waker_.get()) {
        DrainWaker(descriptor);
      } else {
        ready.push_back(descriptor);
      }
    }
  }

  void Interrupt() override { Wake(waker_.get()); }

  bool WatchWaker() { return Control(EPOLL_CTL_ADD, waker_.get(), EPOLLIN); }

 private:
  bool Control(int operation, Descriptor descriptor, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = Number(descriptor);
    return epoll_ctl(Number(epoll_.get()), operation, Number(descriptor), &event) == 0;
  }

  const OwnedDescriptor epoll_;
  const OwnedDescriptor waker_;
};

}  // namespace

const bool kWatchesReadiness = true;

Result<std::unique_ptr<ReadinessSet>> CreateReadinessSet() {
  OwnedDescriptor epoll(static_cast<Descriptor>(epoll_create1(EPOLL_CLOEXEC)));
  if (!epoll.valid()) return Failure{FailureKind::kExhausted, errno, "epoll_create1", {}};
  Result<OwnedDescriptor> waker = CreateWaker();
  if (!waker.ok()) return waker.failure();
  auto set = std::make_unique<EpollSet>(std::move(epoll), std::move(waker.value()));
  if (!set->WatchWaker()) return Failure{FailureKind::kExhausted, errno, "epoll_ctl", {}};
  return std::unique_ptr<ReadinessSet>(std::move(set));
}

}  // namespace sentinel
