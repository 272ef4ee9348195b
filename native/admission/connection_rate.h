// Limits the new connections of each user in any second. Remembers the moment of each connection that counted, so
// that no interval of a second holds more than the limit: counting by the clock's seconds would admit twice as many
// around a turn of the second. Must not know sockets; for one thread at a time.

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

// What connections are counted by: the number of the user, or its security identifier on Windows.
using UserKey = std::variant<std::uint32_t, std::string>;

class ConnectionRate {
 public:
  using Clock = std::chrono::steady_clock;

  // 0 for no limit.
  explicit ConnectionRate(std::size_t limit) : limit_(limit) {}

  // False: the user has had all the connections of this second. Those it was denied do not count.
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
