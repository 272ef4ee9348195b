#include "platform/win32/access_list.h"

#include <aclapi.h>
#include <sddl.h>

#include <algorithm>
#include <array>

#include "platform/win32/sid.h"

namespace sentinel {
namespace {

constexpr const char* kEveryone = "S-1-1-0";
constexpr const char* kAdministrators = "S-1-5-32-544";

// Accounts that can give themselves any access.
constexpr std::array kOfTheSystem = {
    "S-1-5-18",  // SYSTEM
    kAdministrators,
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",  // TrustedInstaller
};

// Stand-ins for the owner, whom CheckAccess checks separately: OWNER RIGHTS and CREATOR OWNER.
constexpr std::array kOfTheOwner = {"S-1-3-4", "S-1-3-0"};

// FILE_ADD_FILE and FILE_ADD_SUBDIRECTORY are not among them: new files replace none.
constexpr ACCESS_MASK kReplacing = DELETE | FILE_DELETE_CHILD | WRITE_DAC | WRITE_OWNER | GENERIC_ALL;

template <typename Names>
bool Contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool MayOwn(Protection protection, const std::string& owner, const std::string& own) {
  // Files created by an administrator may belong to the Administrators group.
  if (owner == own || owner == kAdministrators) return true;
  return protection == Protection::kIrreplaceable && Contains(kOfTheSystem, owner);
}

// The account that an entry grants any of `rights`; empty if it grants none.
std::string Grantee(const ACE_HEADER* entry, ACCESS_MASK rights) {
  if ((entry->AceFlags & INHERIT_ONLY_ACE) != 0) return {};
  switch (entry->AceType) {
    case ACCESS_ALLOWED_ACE_TYPE:
    case ACCESS_ALLOWED_CALLBACK_ACE_TYPE: {
      // Both structures begin with the same fields.
      const auto* allowed = reinterpret_cast<const ACCESS_ALLOWED_ACE*>(entry);
      if ((allowed->Mask & rights) == 0) return {};
      // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): PSID has no const form
      Result<std::string> text = SidText(const_cast<DWORD*>(&allowed->SidStart));
      return text.ok() ? text.value() : "an account that cannot be read";
    }
    case ACCESS_DENIED_ACE_TYPE:
    case ACCESS_DENIED_OBJECT_ACE_TYPE:
    case ACCESS_DENIED_CALLBACK_ACE_TYPE:
    case ACCESS_DENIED_CALLBACK_OBJECT_ACE_TYPE: return {};
    default: return "an entry of type " + std::to_string(entry->AceType);
  }
}

Failure Unsafe(std::string detail) { return {FailureKind::kUnsafePath, 0, "GetSecurityInfo", std::move(detail)}; }

}  // namespace

Result<LocalMemory<void>> OwnerOnly() {
  Result<std::string> own = OwnSecurityId();
  if (!own.ok()) return own.failure();
  const std::string text = "O:" + own.value() + "D:P(A;OICI;FA;;;" + own.value() + ")";
  PSECURITY_DESCRIPTOR descriptor = nullptr;
  if (ConvertStringSecurityDescriptorToSecurityDescriptorW(ToWide(text).c_str(), SDDL_REVISION_1, &descriptor,
                                                           nullptr) == 0) {
    return WindowsFailure("ConvertStringSecurityDescriptorToSecurityDescriptor", GetLastError(), text);
  }
  return LocalMemory<void>(descriptor);
}

std::string FindOtherWithAccess(ACL* list, Protection protection, const std::string& own) {
  if (list == nullptr) return kEveryone;
  const ACCESS_MASK rights = protection == Protection::kPrivate ? ~ACCESS_MASK{0} : kReplacing;
  for (DWORD i = 0; i < list->AceCount; ++i) {
    void* entry = nullptr;
    if (GetAce(list, i, &entry) == 0) return "an entry that cannot be read";
    std::string grantee = Grantee(static_cast<const ACE_HEADER*>(entry), rights);
    if (grantee.empty() || grantee == own || Contains(kOfTheSystem, grantee) || Contains(kOfTheOwner, grantee)) {
      continue;
    }
    return grantee;
  }
  return {};
}

Status CheckAccess(HANDLE file, Protection protection, const std::string& path) {
  Result<std::string> own = OwnSecurityId();
  if (!own.ok()) return own.failure();
  PSID owner = nullptr;
  ACL* list = nullptr;
  PSECURITY_DESCRIPTOR descriptor = nullptr;
  const DWORD code = GetSecurityInfo(file, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                                     &owner, nullptr, &list, nullptr, &descriptor);
  if (code != ERROR_SUCCESS) return WindowsFailure("GetSecurityInfo", code, path);
  const LocalMemory<void> owned(descriptor);
  Result<std::string> text = SidText(owner);
  if (!text.ok()) return text.failure();
  if (!MayOwn(protection, text.value(), own.value())) {
    return Unsafe(path + " belongs to " + text.value() + "; it must belong to this user");
  }
  const std::string other = FindOtherWithAccess(list, protection, own.value());
  if (other.empty()) return Done{};
  if (protection == Protection::kPrivate) {
    return Unsafe(path + " is open to " + other + "; take that access away (icacls \"" + path +
                  "\" /inheritance:r /grant:r *" + own.value() + ":(OI)(CI)F /remove *" + other + ")");
  }
  return Unsafe(other + " may delete or replace " + path + ", which leads to the directory; take that access away");
}

}  // namespace sentinel
