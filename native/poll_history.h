// Whether to wait in a loop for what comes next has been worth it lately: where it mostly comes within the time
// that a sleep and a wake-up would take of both sides, it is tried each time, and costs little more than they
// would; elsewhere hardly ever. What comes late shows that another process had to be woken first, which is over
// once that waits in a loop too: it is tried a few times more, so that both find each other doing so.

#ifndef SENTINEL_POLL_HISTORY_H_
#define SENTINEL_POLL_HISTORY_H_

#include <algorithm>
#include <cstdint>

namespace sentinel {

class PollHistory {
 public:
  // Longest time to wait: about what it takes to wake another process and have its answer.
  static constexpr std::int64_t kMostMicroseconds = 50;

  // To be asked once for each time that it could be tried.
  bool WorthTrying() {
    if (to_pass_over_ == 0) return true;
    --to_pass_over_;
    return false;
  }

  void Came(std::int64_t after_microseconds) {
    if (after_microseconds <= kSoonMicroseconds) {
      late_ = 0;
      doubts_ = std::max(doubts_ - 1, 0);
    } else if (++late_ == kMostLate) {
      Lost();
    }
  }

  // A loss weighs as much as two gains. One alone is forgiven, as a collection of garbage on the other side makes
  // one; after each further one it is tried a quarter as often.
  void Lost() {
    late_ = 0;
    doubts_ = std::min(doubts_ + kLossWeight, kMostDoubts);
    to_pass_over_ = doubts_ <= kLossWeight ? 0 : 1 << doubts_;
  }

 private:
  static constexpr std::int64_t kSoonMicroseconds = 20;
  static constexpr int kMostLate = 16;
  static constexpr int kLossWeight = 2;
  static constexpr int kMostDoubts = 8;

  int doubts_ = 0;
  int late_ = 0;  // in a row
  int to_pass_over_ = 0;
};

}  // namespace sentinel

#endif  // SENTINEL_POLL_HISTORY_H_
