// Readiness of many descriptors, by kqueue(2). Compiled, never run.

#include <sys/event.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "platform/platform.h"

namespace sentinel {
namespace {

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

class KqueueSet final : public ReadinessSet {
 public:
  explicit KqueueSet(OwnedDescriptor queue) : queue_(std::move(queue)) {}

  Descriptor descriptor() const override { return queue_.get(); }

  // Reading and writing are watched separately. Removing a filter that was not set fails with ENOENT, which is
  // harmless.
  Status Watch(Descriptor connected, Interest /*before*/, Interest now) override {
    const bool reading = Includes(now, Interest::kReading);
    const bool writing = Includes(now, Interest::kWriting);
    if (!Change(connected, EVFILT_READ, reading) && reading) return Refused();
    if (!Change(connected, EVFILT_WRITE, writing) && writing) return Refused();
    return Done{};
  }

  void Take(std::vector<Readiness>& ready) override {
    ready.clear();
    std::array<struct kevent, kMostAtOnce> events{};
    const struct timespec now {};
    // On failure, ready descriptors are reported by the next call.
    const int count = kevent(Number(queue_.get()), nullptr, 0, events.data(), kMostAtOnce, &now);
    for (int i = 0; i < count; ++i) {
      const struct kevent& event = events[static_cast<std::size_t>(i)];
      const bool writing = event.filter == EVFILT_WRITE;
      ready.push_back({static_cast<Descriptor>(event.ident), !writing, writing});
    }
  }

 private:
  bool Change(Descriptor connected, std::int16_t filter, bool wanted) {
    const std::uint16_t action = wanted ? EV_ADD : EV_DELETE;
    struct kevent event {};
    EV_SET(&event, static_cast<std::uintptr_t>(connected), filter, action, 0, 0, nullptr);
    return kevent(Number(queue_.get()), &event, 1, nullptr, 0, nullptr) == 0;
  }

  static Failure Refused() {
    switch (errno) {
      case ENOMEM: return Failure{FailureKind::kExhausted, errno, "kevent", {}};
      default: return Failure{FailureKind::kSystem, errno, "kevent", {}};
    }
  }

  const OwnedDescriptor queue_;
};

}  // namespace

const bool kWatchesReadiness = true;

Result<std::unique_ptr<ReadinessSet>> CreateReadinessSet() {
  OwnedDescriptor queue(static_cast<Descriptor>(kqueue()));
  if (!queue.valid()) return Failure{FailureKind::kExhausted, errno, "kqueue", {}};
  return std::unique_ptr<ReadinessSet>(std::make_unique<KqueueSet>(std::move(queue)));
}

}  // namespace sentinel
