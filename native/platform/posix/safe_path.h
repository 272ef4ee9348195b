// Where on a POSIX file system a socket may safely stand: a path none of whose directories somebody else
// could change under us. Must not know sockets.

#ifndef SENTINEL_POSIX_PATH_H_
#define SENTINEL_POSIX_PATH_H_

#include <cstdint>
#include <optional>
#include <string>

#include "platform/platform.h"

namespace sentinel {

struct FileFacts {
  enum class Kind { kDirectory, kSymbolicLink, kSocket, kRegular, kOther };
  Kind kind = Kind::kOther;
  std::uint32_t mode = 0;  // permission bits, with set-id and sticky
  std::uint32_t owner = 0;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  bool SameFile(const FileFacts& other) const { return device == other.device && inode == other.inode; }
};

// What stands at `path`, links not followed. kSystem with ENOENT where nothing does.
Result<FileFacts> InspectPath(const std::string& path);
// The same of an open file.
Result<FileFacts> InspectDescriptor(int descriptor);

// Answers `path` with every link in its directories resolved, after checking each directory on the way: it
// belongs to this user or to root, and nobody else may write to it unless it is sticky; links in it belong to
// this user or to root. Hence nobody else can make the answer mean another file later.
// With `create_last` the last directory is made (0700) when it is absent. The last component of the path itself
// is not looked at.
Result<std::string> ResolveSafely(const std::string& path, bool create_last);

}  // namespace sentinel

#endif  // SENTINEL_POSIX_PATH_H_
