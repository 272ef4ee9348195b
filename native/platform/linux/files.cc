// File status by path or descriptor, by the raw system call statx(2): as C library functions, lstat is new in glibc
// 2.33 and statx in musl 1.2.5. <sys/stat.h> is not included, because some C libraries define the same structure in
// it.

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <optional>

#include "platform/platform.h"
#include "platform/posix/safe_path.h"

namespace sentinel {
namespace {

Result<FileFacts> Statx(int directory, const char* path, int flags) {
  struct statx status {};
  if (syscall(SYS_statx, directory, path, flags | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status) != 0) {
    return Failure{FailureKind::kSystem, errno, "statx", path};
  }
  FileFacts facts;
  facts.kind = FileFacts::KindOf(status.stx_mode);
  facts.mode = status.stx_mode & ~static_cast<std::uint32_t>(S_IFMT);
  facts.owner = status.stx_uid;
  facts.links = status.stx_nlink;
  facts.device = makedev(status.stx_dev_major, status.stx_dev_minor);
  facts.inode = status.stx_ino;
  return facts;
}

}  // namespace

const int kSearchFlags = O_PATH;

Result<FileFacts> InspectAt(int directory, const std::string& name) { return Statx(directory, name.c_str(), 0); }
Result<FileFacts> InspectDescriptor(int descriptor) { return Statx(descriptor, "", AT_EMPTY_PATH); }

Status RemoveAccessList(const std::string& path) {
  if (removexattr(path.c_str(), "system.posix_acl_access") == 0) return Done{};
  if (errno == ENODATA || errno == EOPNOTSUPP) return Done{};  // no list, or a file system without them
  return Failure{FailureKind::kSystem, errno, "removexattr", path};
}

std::optional<std::uint64_t> DescriptorCookie(Descriptor descriptor) {
  const int number = static_cast<int>(descriptor);
  std::uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  if (getsockopt(number, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0) return cookie;
  switch (errno) {
    case EINVAL:  // an emulation that supports only 4 bytes (qemu-user)
    case ENOPROTOOPT: break;
    case EBADF:
    case ENOTSOCK:
    default: return std::nullopt;
  }
  // Fall back to the inode number: unlike a cookie, it recurs after 2^32 others.
  Result<FileFacts> facts = InspectDescriptor(number);
  if (!facts.ok() || facts.value().kind != FileFacts::Kind::kSocket) return std::nullopt;
  return facts.value().inode;
}

}  // namespace sentinel
