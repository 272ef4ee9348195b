// Whether to wait in a loop for what comes next has been worth it lately: where most of it comes within the time
// that a sleep and a wake-up would take of both sides, it is tried each time, and costs little more than they
// would; elsewhere at one wait in many. What comes late shows that another process had to be woken first, which is
// over once that waits in a loop too: it is tried a few times more, so that both find each other doing so.

#ifndef SENTINEL_POLL_HISTORY_H_
#define SENTINEL_POLL_HISTORY_H_

#include <algorithm>
#include <cstdint>

namespace sentinel {

class PollHistory {
 public:
  // Longest time to wait: about what it takes to wake another process and have its answer.
  static constexpr std::int64_t kMostMicroseconds = 50;

  // To be asked once for each time that it is to be decided by this.
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

  // One alone is forgiven, as a collection of garbage on the other side makes one; after each further one it is
  // tried a quarter as often.
  void Lost() {
    doubts_ = std::min(doubts_ + kWeight, kMostDoubts);
    if (doubts_ > kWeight) GiveUp(doubts_);
  }

 private:
  static constexpr std::int64_t kSoonMicroseconds = 20;
  // What is late or lost weighs as much as two that came soon.
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
