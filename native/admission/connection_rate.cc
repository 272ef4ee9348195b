#include "admission/connection_rate.h"

#include <iterator>

namespace sentinel {
namespace {

constexpr std::chrono::seconds kInterval{1};

}  // namespace

bool ConnectionRate::Allow(const UserKey& user, Clock::time_point now) {
  if (limit_ == 0) return true;
  if (now - last_forgotten_ >= kInterval) ForgetUsers(now);
  std::deque<Clock::time_point>& recent = recent_by_user_[user];
  while (!recent.empty() && now - recent.front() >= kInterval) recent.pop_front();
  if (recent.size() >= limit_) return false;
  recent.push_back(now);
  return true;
}

void ConnectionRate::ForgetUsers(Clock::time_point now) {
  last_forgotten_ = now;
  for (auto entry = recent_by_user_.begin(); entry != recent_by_user_.end();) {
    const bool quiet = entry->second.empty() || now - entry->second.back() >= kInterval;
    entry = quiet ? recent_by_user_.erase(entry) : std::next(entry);
  }
}

}  // namespace sentinel
