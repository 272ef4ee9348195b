// Decides whether to poll for the next message, by whether polling has paid lately. While most messages arrive
// within the time that sleeping and waking up would take, every wait polls; otherwise only one wait in many does. A
// message that comes late shows that the other process had to be woken first. Once that process polls too, its
// replies come in time, so a few more polls follow to give both sides the chance to start polling together.

#ifndef SENTINEL_POLL_HISTORY_H_
#define SENTINEL_POLL_HISTORY_H_

#include <algorithm>
#include <cstdint>

namespace sentinel {

class PollHistory {
 public:
  // The longest poll: about as long as it takes to wake another process and receive its reply.
  static constexpr std::int64_t kMostMicroseconds = 50;

  // Returns whether this wait should poll. Call it once per wait.
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

  // A single poll without a message has no effect, because garbage collection on the other side can cause it. Each
  // further one makes polls four times rarer.
  void Lost() {
    doubts_ = std::min(doubts_ + kWeight, kMostDoubts);
    if (doubts_ > kWeight) GiveUp(doubts_);
  }

 private:
  static constexpr std::int64_t kSoonMicroseconds = 20;
  // A message that is late or does not come weighs as much as two that came in time.
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
