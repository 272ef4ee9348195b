// Directories and files on a POSIX file system that no other user can replace or read unnoticed. Everything
// is opened component by component and checked by descriptor. Must not know sockets.

#ifndef SENTINEL_POSIX_PATH_H_
#define SENTINEL_POSIX_PATH_H_

#include <sys/stat.h>

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
  std::uint64_t links = 0;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  // The kind in a mode of stat(2).
  static Kind KindOf(std::uint32_t mode) {
    switch (mode & S_IFMT) {
      case S_IFDIR: return Kind::kDirectory;
      case S_IFLNK: return Kind::kSymbolicLink;
      case S_IFSOCK: return Kind::kSocket;
      case S_IFREG: return Kind::kRegular;
      default: return Kind::kOther;
    }
  }
  bool SameFile(const FileFacts& other) const { return device == other.device && inode == other.inode; }
};

// The status of the file `name` in an open directory; links are not followed. kSystem with ENOENT if there is none.
Result<FileFacts> InspectAt(int directory, const std::string& name);
// The status of the file behind a descriptor.
Result<FileFacts> InspectDescriptor(int descriptor);

// Flags that open a directory only to pass through it, which takes no permission to read it.
extern const int kSearchFlags;

// A directory that was checked on the way from the root, and its path with all links resolved.
struct SafeDirectory {
  OwnedDescriptor descriptor;  // for *at() calls; not for reading the directory
  std::string path;            // "/" for the root directory
  FileFacts facts;

  int number() const { return static_cast<int>(descriptor.get()); }
  std::string PathOf(const std::string& name) const { return (path == "/" ? "" : path) + "/" + name; }
};

enum class MissingDirectories { kFail, kMakeLast, kMakeAll };

// Who may own the directories on the way.
enum class Trust {
  // This user or root, and no other user may write to them unless they are sticky; the same for symbolic links. So
  // no other user can make the path refer to another file later. For files of this user.
  kOwnDirectories,
  // The same, for a socket. Errors about the last directory say how to declare it shared.
  kAddressDirectories,
  // The same, but other users may write to the last directory: its owner has declared it shared. They can then make
  // the path refer to another file at any time, so what is there must be pinned and checked.
  kSharedLastDirectory,
  // Any user. Symbolic links must belong to this user, to root, or to the owner of their directory, who could
  // replace the file itself as well. For reaching a server of another user, which the peer policy checks.
  kAnyDirectories,
};

// Opens a directory after checking each one on the way from the root. Missing directories are made with mode 0700
// where `missing` says so.
Result<SafeDirectory> OpenSafely(const std::string& path, Trust trust, MissingDirectories missing);

// The directory of a path, opened in this way, and the path's last component, which is not checked.
struct SafePath {
  SafeDirectory directory;
  std::string name;

  std::string path() const { return directory.PathOf(name); }
};
Result<SafePath> ResolveSafely(const std::string& path, Trust trust, MissingDirectories missing);

// A regular file of this user in a directory, opened with `flags` (O_NOFOLLOW and O_CLOEXEC are added) and given
// mode 0600. kUnsafePath if it is anything else, has a second hard link, or gives other users access. Nothing is
// done to such a file.
Result<OwnedDescriptor> OpenOwnFile(const SafeDirectory& directory, const std::string& name, int flags);

// Checks by its facts that a file is one that OpenOwnFile would open.
Status CheckOwnFile(const std::string& path, const FileFacts& facts);

// Takes the access control list off a file of this user, so that its mode alone decides who has access: a default
// list of the directory would otherwise come into force with the bits of the group. It may follow links:
// give it a path that no other user can change.
Status RemoveAccessList(const std::string& path);

}  // namespace sentinel

#endif  // SENTINEL_POSIX_PATH_H_
