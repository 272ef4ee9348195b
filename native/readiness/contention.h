// Decides whether polling takes the processor from others that want it: from the peer itself, where both share one,
// or from a third process. The kernel tells: a thread that polls is preempted, instead of going to sleep by itself.
//
//            two preemptions within kTogether
//   polling ──────────────────────────────────▶ banned, twice as long as the last time
//      ▲                                           │ the time is over
//      └───────────────────────────────────────────┘
//
// A ban starts short again after a while of undisturbed polling. A single preemption means little: the kernel's own
// threads need a processor now and then.

#ifndef SENTINEL_CONTENTION_H_
#define SENTINEL_CONTENTION_H_

#include <algorithm>
#include <cstdint>

namespace sentinel {

// Times are microseconds of one monotonic clock.
class Contention {
 public:
  static constexpr std::int64_t kTogether = 10'000;
  static constexpr std::int64_t kFirstBan = 50'000;
  static constexpr std::int64_t kLongestBan = 2'000'000;
  // So long after a ban without another one, the next ban is short again.
  static constexpr std::int64_t kForgiven = 1'000'000;

  // Returns whether a wait may poll.
  bool MayPoll(std::int64_t now) const { return now >= banned_until_; }

  // Call after a poll that took longer than it should, with the thread's involuntary context switches so far.
  void Checked(std::int64_t now, std::int64_t switches) {
    const bool preempted = switches > switches_;
    switches_ = switches;
    if (!preempted) return;
    if (preempted_at_ >= 0 && now - preempted_at_ <= kTogether) {
      ban_ = now - banned_until_ > kForgiven ? kFirstBan : std::min(ban_ * 2, kLongestBan);
      banned_until_ = now + ban_;
      preempted_at_ = -1;
    } else {
      preempted_at_ = now;
    }
  }

 private:
  std::int64_t switches_ = 0;
  std::int64_t preempted_at_ = -1;  // the last one that no ban followed
  std::int64_t ban_ = kFirstBan;
  std::int64_t banned_until_ = -kForgiven - 1;
};

}  // namespace sentinel

#endif  // SENTINEL_CONTENTION_H_
