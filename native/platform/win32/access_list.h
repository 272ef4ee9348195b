// Owners and access lists of files: who could read, write or replace them. Must not know directories or pipes.

#ifndef SENTINEL_WIN32_ACCESS_LIST_H_
#define SENTINEL_WIN32_ACCESS_LIST_H_

#include <memory>
#include <string>

#include "platform/win32/system.h"

namespace sentinel {

// What other users must not be able to do with a file or directory.
enum class Protection {
  kPrivate,       // access it in any way; it must belong to this user
  kIrreplaceable  // delete, rename or take ownership of it, or delete its content; the system may own it
};

// Full access for this user only, who is the owner; nothing is inherited. For new files and directories.
Result<LocalMemory<void>> OwnerOnly();

// Returns the first account, other than this user, to which an access list grants something that
// `protection` rules out: a security identifier, or a description if it has none. Empty if there is
// no such entry. The system's own accounts and the Administrators group do not count, because they
// have access to everything anyway. Denials are not subtracted. Without a list (null) everyone has
// access.
std::string FindOtherWithAccess(ACL* list, Protection protection, const std::string& own);

// Checks the owner and the access list of an open file or directory, which needs READ_CONTROL. kUnsafePath if they
// allow more than `protection`.
Status CheckAccess(HANDLE file, Protection protection, const std::string& path);

}  // namespace sentinel

#endif  // SENTINEL_WIN32_ACCESS_LIST_H_
