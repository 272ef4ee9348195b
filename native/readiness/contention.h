// Decides whether polling takes the processor from others that need it: from the peer, if both
// share one, or from a third process. Preemptions show that: the kernel preempts a thread that
// polls, which would otherwise have gone to sleep by itself. The time that preempted polls took is
// a debt, and it is paid off slowly. A thread polls while its debt is small:
//
//             debt above kMostDebt
//   polling ──────────────────────────▶ sleeping
//      ▲                                   │
//      └───────────────────────────────────┘
//             debt paid off, 1 µs every kPaidOffEvery µs
//
// So preempted polls take a small part of the time at most. A few short preemptions have no effect: garbage
// collection and the kernel's own threads need a processor now and then.

#ifndef SENTINEL_CONTENTION_H_
#define SENTINEL_CONTENTION_H_

#include <algorithm>
#include <cstdint>

namespace sentinel {

// Times are microseconds of one monotonic clock.
class Contention {
 public:
  static constexpr std::int64_t kPaidOffEvery = 25;
  static constexpr std::int64_t kMostDebt = 3'000;
  // Bounds the time without polling to about two seconds.
  static constexpr std::int64_t kLimit = 80'000;

  // Returns whether a wait may poll.
  bool MayPoll(std::int64_t now) {
    if (sleeping_ && DebtAt(now) <= 0) sleeping_ = false;
    return !sleeping_;
  }

  // Call after a poll that took long enough to have been preempted, with that time and the thread's involuntary
  // context switches so far.
  void Checked(std::int64_t now, std::int64_t waited, std::int64_t switches) {
    const bool preempted = switches > switches_;
    switches_ = switches;
    if (!preempted) return;
    debt_ = std::min(DebtAt(now) + waited, kLimit);
    at_ = now;
    if (debt_ > kMostDebt) sleeping_ = true;
  }

 private:
  std::int64_t DebtAt(std::int64_t now) const {
    return std::max<std::int64_t>(debt_ - (now - at_) / kPaidOffEvery, 0);
  }

  std::int64_t switches_ = 0;
  std::int64_t debt_ = 0;  // at the time `at_`
  std::int64_t at_ = 0;
  bool sleeping_ = false;
};

}  // namespace sentinel

#endif  // SENTINEL_CONTENTION_H_
