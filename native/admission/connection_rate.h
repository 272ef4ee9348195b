// Limits each user's new connections per second. Remembers the time of each admitted connection, so that the limit
// holds for every interval of one second; counting per second of the clock would admit twice as many around the
// turn of a second. Must not know sockets; for one thread at a time.

#ifndef SENTINEL_CONNECTION_RATE_H_
#define SENTINEL_CONNECTION_RATE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <variant>

namespace sentinel {

// The key that connections are counted under: the user's id, or its security identifier on Windows.
using UserKey = std::variant<std::uint32_t, std::string>;

class ConnectionRate {
 public:
  using Clock = std::chrono::steady_clock;

  // 0 for no limit.
  explicit ConnectionRate(std::size_t limit) : limit_(limit) {}

  // Returns false if the user has reached the limit within the last second. Denied connections do not count.
  bool Allow(const UserKey& user, Clock::time_point now);

 private:
  // Users that made no connection within the last second need no entry.
  void ForgetUsers(Clock::time_point now);

  const std::size_t limit_;
  // At most `limit_` moments each, the oldest first, none of them older than a second when last looked at.
  std::unordered_map<UserKey, std::deque<Clock::time_point>> recent_by_user_;
  Clock::time_point last_forgotten_{};
};

}  // namespace sentinel

#endif  // SENTINEL_CONNECTION_RATE_H_
