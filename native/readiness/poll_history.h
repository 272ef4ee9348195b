// Decides whether to poll for the next message, by whether polling has paid off lately. While it
// does, every wait polls; otherwise only one wait in many. There are two kinds:
//
// - Without a request a thread polls while most messages arrive within the time that sleeping and waking up would
//   take. A message that comes late shows that the other process had to be woken first. Once that process polls
//   too, its replies come in time, so a few more polls follow to give both sides the chance to poll together.
// - On request it polls while at least half of the messages arrive in the requested time. If fewer do, they are
//   rare, or the peer needs this very processor to send them.

#ifndef SENTINEL_POLL_HISTORY_H_
#define SENTINEL_POLL_HISTORY_H_

#include <algorithm>
#include <cstdint>
#include <limits>

namespace sentinel {

class PollHistory {
 public:
  // The longest unrequested poll: about as long as it takes to wake another process and receive its reply.
  static constexpr std::int64_t kMostMicroseconds = 50;

  // Messages are in time within 20 µs.
  static PollHistory Unrequested() { return {20, 2}; }
  // Every message that ends a poll is in time.
  static PollHistory OnRequest() { return {std::numeric_limits<std::int64_t>::max(), 1}; }

  // Returns whether this wait should poll. Call it once per wait.
  bool WorthTrying() {
    if (to_pass_over_ == 0) return true;
    --to_pass_over_;
    return false;
  }

  void Came(std::int64_t after_microseconds) {
    if (after_microseconds <= soon_microseconds_) {
      lateness_ = std::max(lateness_ - 1, 0);
      doubts_ = std::max(doubts_ - 1, 0);
    } else if ((lateness_ += weight_) >= kMostLateness) {
      GiveUp(kMostDoubts);
    }
  }

  // One or two polls without a message have no effect, because garbage collection on the other side can cause them.
  // Each further one makes polls rarer.
  void Lost() {
    doubts_ = std::min(doubts_ + weight_, kMostDoubts);
    if (doubts_ > kFewDoubts) GiveUp(doubts_);
  }

 private:
  static constexpr int kMostLateness = 32;
  static constexpr int kFewDoubts = 2;
  // Where polls do not pay, one wait in 1025 polls. With one in 257, both sides together make one round trip in a
  // hundred late by a whole poll, and the 99th percentile is no longer that of sleeping.
  static constexpr int kMostDoubts = 10;

  PollHistory(std::int64_t soon_microseconds, int weight)
      : soon_microseconds_(soon_microseconds), weight_(weight) {}

  void GiveUp(int doubts) {
    doubts_ = doubts;
    lateness_ = 0;
    to_pass_over_ = 1 << doubts;
  }

  std::int64_t soon_microseconds_;
  // A late or missing message weighs as much as this many messages in time.
  int weight_;
  int doubts_ = 0;
  int lateness_ = 0;
  int to_pass_over_ = 0;
};

}  // namespace sentinel

#endif  // SENTINEL_POLL_HISTORY_H_
