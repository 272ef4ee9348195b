// Users and groups: this process's user, and names resolved to ids by the system's databases (getpwnam(3), which
// uses NSS).

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "platform/platform.h"

namespace sentinel {
namespace {

// Room for one entry of the user or group database; grown until it fits (getpwnam(3)).
constexpr std::size_t kFirstEntryBytes = 4096;
constexpr std::size_t kMostEntryBytes = std::size_t{1} << 20;

template <typename Entry, typename Lookup>
Result<Entry> LookUpEntry(const std::string& name, const char* operation, std::vector<char>& memory,
                          Lookup lookup) {
  memory.resize(kFirstEntryBytes);
  for (;;) {
    Entry entry{};
    Entry* found = nullptr;
    const int code = lookup(name.c_str(), &entry, memory.data(), memory.size(), &found);
    if (code == EINTR) continue;
    if (code == ERANGE && memory.size() < kMostEntryBytes) {
      memory.resize(memory.size() * 2);
      continue;
    }
    if (code != 0) return Failure{FailureKind::kSystem, code, operation, name};
    if (found == nullptr) return Failure{FailureKind::kNotFound, ENOENT, operation, name};
    return entry;
  }
}

}  // namespace

Result<std::uint32_t> ResolveUser(const std::string& name) {
  std::vector<char> memory;
  Result<passwd> entry = LookUpEntry<passwd>(name, "getpwnam_r", memory, getpwnam_r);
  if (!entry.ok()) return entry.failure();
  return static_cast<std::uint32_t>(entry.value().pw_uid);
}

Result<std::uint32_t> ResolveGroup(const std::string& name) {
  std::vector<char> memory;
  Result<group> entry = LookUpEntry<group>(name, "getgrnam_r", memory, getgrnam_r);
  if (!entry.ok()) return entry.failure();
  return static_cast<std::uint32_t>(entry.value().gr_gid);
}

Result<std::string> ResolveSecurityId(const std::string& account) {
  return Failure{FailureKind::kNotSupported, ENOSYS, "", account};
}

std::optional<std::uint32_t> OwnUserId() { return geteuid(); }
Result<std::string> OwnSecurityId() { return std::string(); }

}  // namespace sentinel
