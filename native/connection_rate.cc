#include "connection_rate.h"

#include <iterator>

namespace sentinel {
namespace {

constexpr std::chrono::seconds kInterval{1};

}  // namespace

bool ConnectionRate::Allow(std::uint32_t user_id, Clock::time_point now) {
  if (limit_ == 0) return true;
  if (now - last_forgotten_ >= kInterval) ForgetUsers(now);
  std::deque<Clock::time_point>& recent = recent_by_user_[user_id];
  while (!recent.empty() && now - recent.front() >= kInterval) recent.pop_front();
  if (recent.size() >= limit_) return false;
  recent.push_back(now);
  return true;
}

void ConnectionRate::ForgetUsers(Clock::time_point now) {
  last_forgotten_ = now;
  for (auto user = recent_by_user_.begin(); user != recent_by_user_.end();) {
    const bool quiet = user->second.empty() || now - user->second.back() >= kInterval;
    user = quiet ? recent_by_user_.erase(user) : std::next(user);
  }
}

}  // namespace sentinel
