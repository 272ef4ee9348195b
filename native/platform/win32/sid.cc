#include "platform/win32/sid.h"

#include <sddl.h>

#include <vector>

namespace sentinel {
namespace {

// Accepts users, and service identities, which count as well-known groups. Groups are refused: a peer's user is
// never a group, so a policy that lists one would seem to admit its members and admit none.
bool IsUser(SID_NAME_USE use) {
  return use == SidTypeUser || use == SidTypeComputer || use == SidTypeWellKnownGroup;
}

Result<std::string> LookUpAccount(const std::string& name) {
  const std::wstring wide = ToWide(name);
  if (wide.empty()) return Failure{FailureKind::kNotFound, 0, "LookupAccountName", name};
  DWORD sid_bytes = 0;
  DWORD domain_units = 0;
  SID_NAME_USE use = SidTypeUnknown;
  LookupAccountNameW(nullptr, wide.c_str(), nullptr, &sid_bytes, nullptr, &domain_units, &use);
  if (const DWORD code = GetLastError(); code != ERROR_INSUFFICIENT_BUFFER) {
    return WindowsFailure(code == ERROR_NONE_MAPPED ? FailureKind::kNotFound : FailureKind::kSystem,
                          "LookupAccountName", code, name);
  }
  std::vector<unsigned char> sid(sid_bytes);
  std::vector<wchar_t> domain(domain_units);
  if (LookupAccountNameW(nullptr, wide.c_str(), sid.data(), &sid_bytes, domain.data(), &domain_units, &use) == 0) {
    return WindowsFailure("LookupAccountName", GetLastError(), name);
  }
  if (!IsUser(use)) return Failure{FailureKind::kNotFound, 0, "LookupAccountName", name + " is not a user account"};
  return SidText(sid.data());
}

}  // namespace

Result<std::string> SidText(PSID sid) {
  wchar_t* text = nullptr;
  if (ConvertSidToStringSidW(sid, &text) == 0) return WindowsFailure("ConvertSidToStringSid", GetLastError());
  const LocalMemory<wchar_t> owned(text);
  return ToNarrow(text);
}

Result<std::string> UserOfProcess(HANDLE process) {
  HANDLE opened = nullptr;
  if (OpenProcessToken(process, TOKEN_QUERY, &opened) == 0) {
    return WindowsFailure("OpenProcessToken", GetLastError());
  }
  const OwnedDescriptor token = Own(opened);
  DWORD size = 0;
  GetTokenInformation(opened, TokenUser, nullptr, 0, &size);
  if (const DWORD code = GetLastError(); code != ERROR_INSUFFICIENT_BUFFER) {
    return WindowsFailure("GetTokenInformation", code);
  }
  std::vector<std::max_align_t> memory(size / sizeof(std::max_align_t) + 1);
  if (GetTokenInformation(opened, TokenUser, memory.data(), size, &size) == 0) {
    return WindowsFailure("GetTokenInformation", GetLastError());
  }
  return SidText(reinterpret_cast<const TOKEN_USER*>(memory.data())->User.Sid);
}

Result<std::string> OwnSecurityId() { return UserOfProcess(GetCurrentProcess()); }

Result<std::string> ResolveSecurityId(const std::string& account) {
  PSID sid = nullptr;
  if (ConvertStringSidToSidW(ToWide(account).c_str(), &sid) == 0) return LookUpAccount(account);
  const LocalMemory<void> owned(sid);
  return SidText(sid);
}

std::optional<std::uint32_t> OwnUserId() { return std::nullopt; }
UnmappedIds ReadUnmappedIds() { return {}; }

Result<std::uint32_t> ResolveUser(const std::string& name) {
  return Failure{FailureKind::kNotSupported, 0, "", name};
}
Result<std::uint32_t> ResolveGroup(const std::string& name) {
  return Failure{FailureKind::kNotSupported, 0, "", name};
}

}  // namespace sentinel
