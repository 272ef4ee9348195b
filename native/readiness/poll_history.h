// Whether polling for the next message has paid lately. Where most messages arrive within the time that both sides
// would take to sleep and wake up, every wait polls, which costs little more than that; elsewhere one wait in many
// does. A message that is late shows that the other process had to be woken first, which is over once that process
// polls too, so a few more polls are made for both to meet.

#ifndef SENTINEL_POLL_HISTORY_H_
#define SENTINEL_POLL_HISTORY_H_

#include <algorithm>
#include <cstdint>

namespace sentinel {

class PollHistory {
 public:
  // The longest poll: about as long as it takes to wake another process and receive its reply.
  static constexpr std::int64_t kMostMicroseconds = 50;

  // Call once for each wait that this is to decide.
  bool WorthTrying() {
    if (to_pass_over_ == 0) return true;
    --to_pass_over_;
    return false;
  }

  void Came(std::int64_t after_microseconds) {
    if (after_microseconds <= kSoonMicroseconds) {
      lateness_ = std::max(lateness_ - 1, 0);
      doubts_ = std::max(doubts_ - 1, 0);
    } else if ((lateness_ += kWeight) >= kMostLateness) {
      GiveUp(kMostDoubts);
    }
  }

  // A single loss is forgiven, because garbage collection on the other side causes one. Each further one makes
  // polls four times rarer.
  void Lost() {
    doubts_ = std::min(doubts_ + kWeight, kMostDoubts);
    if (doubts_ > kWeight) GiveUp(doubts_);
  }

 private:
  static constexpr std::int64_t kSoonMicroseconds = 20;
  // A message that is late or lost weighs as much as two that came soon.
  static constexpr int kWeight = 2;
  static constexpr int kMostLateness = 32;
  static constexpr int kMostDoubts = 8;

  void GiveUp(int doubts) {
    doubts_ = doubts;
    lateness_ = 0;
    to_pass_over_ = 1 << doubts;
  }

  int doubts_ = 0;
  int lateness_ = 0;
  int to_pass_over_ = 0;
};

}  // namespace sentinel

#endif  // SENTINEL_POLL_HISTORY_H_
