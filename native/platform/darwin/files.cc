// Facts about the file at a path or behind a descriptor, by lstat(2) and fstat(2). Compiled, never run.

#include <fcntl.h>
#include <sys/acl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>

#include "platform/platform.h"
#include "platform/posix/safe_path.h"

namespace sentinel {
namespace {

Result<FileFacts> FactsOf(const struct stat& status) {
  FileFacts facts;
  facts.kind = FileFacts::KindOf(status.st_mode);
  facts.mode = static_cast<std::uint32_t>(status.st_mode & ~S_IFMT);
  facts.owner = status.st_uid;
  facts.links = status.st_nlink;
  facts.device = static_cast<std::uint64_t>(status.st_dev);
  facts.inode = status.st_ino;
  return facts;
}

}  // namespace

// Versions of macOS without O_SEARCH cannot open a directory that this user may enter but not read.
const int kSearchFlags = O_RDONLY;

Result<FileFacts> InspectAt(int directory, const std::string& name) {
  struct stat status {};
  if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return Failure{FailureKind::kSystem, errno, "fstatat", name};
  }
  return FactsOf(status);
}

Result<FileFacts> InspectDescriptor(int descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return Failure{FailureKind::kSystem, errno, "fstat", {}};
  return FactsOf(status);
}

// Sets an empty list, because the call that removes a list does not work on links.
Status RemoveAccessList(const std::string& path) {
  acl_t none = acl_init(0);
  const bool done = none != nullptr && acl_set_link_np(path.c_str(), ACL_TYPE_EXTENDED, none) == 0;
  const int code = errno;
  if (none != nullptr) acl_free(none);
  if (done || code == ENOTSUP) return Done{};
  return Failure{FailureKind::kSystem, code, "acl_set_link_np", path};
}

// The inode number of a Unix socket. The kernel assigns these consecutively, each when first requested.
std::optional<std::uint64_t> DescriptorCookie(Descriptor descriptor) {
  struct stat status {};
  if (fstat(static_cast<int>(descriptor), &status) != 0 || !S_ISSOCK(status.st_mode)) return std::nullopt;
  return status.st_ino;
}

}  // namespace sentinel
