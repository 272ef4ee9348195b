// Readiness of many descriptors, by kqueue(2). Compiled, never run.

#include <poll.h>
#include <sys/event.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "platform.h"

namespace sentinel {
namespace {

constexpr int kMostAtOnce = 256;
constexpr int kShortageMs = 20;
constexpr std::uintptr_t kWakeUp = 0;

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

class KqueueSet final : public ReadinessSet {
 public:
  explicit KqueueSet(OwnedDescriptor queue) : queue_(std::move(queue)) {}

  Status Watch(Descriptor connected) override {
    if (Change(static_cast<std::uintptr_t>(connected), EVFILT_READ, EV_ADD | EV_ONESHOT, 0)) return Done{};
    switch (errno) {
      case ENOMEM: return Failure{FailureKind::kExhausted, errno, "kevent", {}};
      default: return Failure{FailureKind::kSystem, errno, "kevent", {}};
    }
  }

  // ENOENT says that it is not watched, or was told.
  void Forget(Descriptor connected) override {
    Change(static_cast<std::uintptr_t>(connected), EVFILT_READ, EV_DELETE, 0);
  }

  void Wait(std::vector<Descriptor>& ready) override {
    ready.clear();
    std::array<struct kevent, kMostAtOnce> events{};
    const int count = kevent(Number(queue_.get()), nullptr, 0, events.data(), kMostAtOnce, nullptr);
    if (count < 0) {
      // EINTR is nothing; for anything else, try again later instead of spinning.
      if (errno != EINTR) poll(nullptr, 0, kShortageMs);
      return;
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      if (events[i].filter == EVFILT_READ) ready.push_back(static_cast<Descriptor>(events[i].ident));
    }
  }

  void Interrupt() override {
    while (!Change(kWakeUp, EVFILT_USER, 0, NOTE_TRIGGER) && errno == EINTR) {
    }
  }

  bool WatchWaker() { return Change(kWakeUp, EVFILT_USER, EV_ADD | EV_CLEAR, 0); }

 private:
  bool Change(std::uintptr_t ident, std::int16_t filter, std::uint16_t flags, std::uint32_t filter_flags) {
    struct kevent event {};
    EV_SET(&event, ident, filter, flags, filter_flags, 0, nullptr);
    return kevent(Number(queue_.get()), &event, 1, nullptr, 0, nullptr) == 0;
  }

  const OwnedDescriptor queue_;
};

}  // namespace

const bool kWatchesReadiness = true;

Result<std::unique_ptr<ReadinessSet>> CreateReadinessSet() {
  OwnedDescriptor queue(static_cast<Descriptor>(kqueue()));
  if (!queue.valid()) return Failure{FailureKind::kExhausted, errno, "kqueue", {}};
  auto set = std::make_unique<KqueueSet>(std::move(queue));
  if (!set->WatchWaker()) return Failure{FailureKind::kExhausted, errno, "kevent", {}};
  return std::unique_ptr<ReadinessSet>(std::move(set));
}

}  // namespace sentinel
