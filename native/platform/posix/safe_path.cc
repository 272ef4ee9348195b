#include "platform/posix/safe_path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>
#include <vector>

namespace sentinel {
namespace {

constexpr int kMostLinks = 40;  // as the kernel itself allows (path_resolution(7))
constexpr mode_t kOwnerOnlyFile = S_IRUSR | S_IWUSR;
constexpr std::uint32_t kOthers = S_IRWXG | S_IRWXO;

Failure Unsafe(const char* operation, std::string detail) {
  return {FailureKind::kUnsafePath, 0, operation, std::move(detail)};
}

bool Trusted(std::uint32_t owner) { return owner == 0 || owner == OwnUserId(); }

OwnedDescriptor OpenAt(int directory, const std::string& name, int flags) {
  return OwnedDescriptor(
      static_cast<Descriptor>(openat(directory, name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, kOwnerOnlyFile)));
}

// The components of a path, last one first, so that the next one to visit is taken from the back.
void PushComponents(const std::string& path, std::vector<std::string>& pending) {
  std::vector<std::string> components;
  std::size_t start = 0;
  while (start <= path.size()) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    if (end > start) components.push_back(path.substr(start, end - start));
    start = end + 1;
  }
  pending.insert(pending.end(), components.rbegin(), components.rend());
}

// Names the owner of a file. In a user namespace, all users without an id there are shown as one.
std::string OwnerOf(const FileFacts& facts) {
  std::string user = "user " + std::to_string(facts.owner);
  if (facts.owner != ReadUnmappedIds().user) return user;
  return user +
         " (the id that stands for root and all others that have none in this user namespace: map uid 0 into it," +
         " see newuidmap(1))";
}

Status CheckDirectory(const std::string& path, const FileFacts& facts, Trust trust, bool is_last) {
  if (trust == Trust::kAnyDirectories) return Done{};
  if (!Trusted(facts.owner)) {
    return Unsafe("open", "directory " + path + " belongs to " + OwnerOf(facts) +
                              ", who could replace what is in it; it must belong to this user or to root");
  }
  if ((facts.mode & (S_IWGRP | S_IWOTH)) == 0 || (facts.mode & S_ISVTX) != 0) return Done{};
  if (trust == Trust::kSharedLastDirectory && is_last) return Done{};
  std::string detail = "directory " + path +
                       " is writable by others and not sticky, so they could replace what is in it; take their" +
                       " access away (chmod go-w) or make it sticky (chmod +t)";
  if (trust == Trust::kAddressDirectories && is_last) {
    detail += "; if it must stay so, as a volume of containers, declare it with the option sharedDirectory";
  }
  return Unsafe("open", detail);
}

Result<std::string> ReadLinkAt(int directory, const std::string& name, const std::string& path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t length = readlinkat(directory, name.c_str(), target.data(), target.size());
  if (length < 0) return Failure{FailureKind::kSystem, errno, "readlink", path};
  target.resize(static_cast<std::size_t>(length));
  return target;
}

std::string Parent(const std::string& directory) {
  const std::size_t slash = directory.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : directory.substr(0, slash);
}

// Makes a directory that only this user can enter, and makes its name survive a loss of power.
Status MakeDirectory(const SafeDirectory& parent, const std::string& name) {
  const std::string path = parent.PathOf(name);
  if (mkdirat(parent.number(), name.c_str(), S_IRWXU) != 0) {
    // EEXIST: another process was faster; its directory is checked like any other.
    if (errno == EEXIST) return Done{};
    return Failure{FailureKind::kSystem, errno, "mkdir", path};
  }
  // The umask may have removed bits. The new directory belongs to this user and cannot be replaced by another.
  if (fchmodat(parent.number(), name.c_str(), S_IRWXU, 0) != 0) {
    return Failure{FailureKind::kSystem, errno, "chmod", path};
  }
  const OwnedDescriptor readable = OpenAt(parent.number(), ".", O_RDONLY | O_DIRECTORY);
  // A parent that may be entered but not read cannot be synchronised; everything else still works.
  if (readable.valid()) fsync(static_cast<int>(readable.get()));
  return Done{};
}

Result<FileFacts> InspectOrMake(const SafeDirectory& parent, const std::string& name, bool make) {
  Result<FileFacts> facts = InspectAt(parent.number(), name);
  if (facts.ok()) return facts;
  if (facts.failure().code != ENOENT || !make) {
    return Failure{facts.failure().kind, facts.failure().code, facts.failure().operation, parent.PathOf(name)};
  }
  if (Status made = MakeDirectory(parent, name); !made.ok()) return made.failure();
  return InspectAt(parent.number(), name);
}

// Opens a directory by a name that is not a link, and checks the directory that was opened.
Result<SafeDirectory> Enter(int parent, const std::string& name, const std::string& path, Trust trust,
                            bool is_last) {
  SafeDirectory entered;
  entered.path = path;
  entered.descriptor = OpenAt(parent, name, kSearchFlags | O_DIRECTORY);
  if (!entered.descriptor.valid()) return Failure{FailureKind::kSystem, errno, "open", path};
  Result<FileFacts> facts = InspectDescriptor(entered.number());
  if (!facts.ok()) return facts.failure();
  if (Status status = CheckDirectory(path, facts.value(), trust, is_last); !status.ok()) return status.failure();
  entered.facts = facts.value();
  return entered;
}

}  // namespace

Result<SafeDirectory> OpenSafely(const std::string& path, Trust trust, MissingDirectories missing) {
  if (path.empty() || path.front() != '/') return Unsafe("open", "'" + path + "' is not an absolute path");
  std::vector<std::string> pending;
  PushComponents(path, pending);
  Result<SafeDirectory> at = Enter(AT_FDCWD, "/", "/", trust, pending.empty());
  int links = 0;
  while (at.ok() && !pending.empty()) {
    const std::string name = std::move(pending.back());
    pending.pop_back();
    if (name == ".") continue;
    if (name == "..") {
      at = Enter(at.value().number(), "..", Parent(at.value().path), trust, pending.empty());
      continue;
    }
    const bool make =
        missing == MissingDirectories::kMakeAll || (missing == MissingDirectories::kMakeLast && pending.empty());
    const std::string next = at.value().PathOf(name);
    Result<FileFacts> facts = InspectOrMake(at.value(), name, make);
    if (!facts.ok()) return facts.failure();
    switch (facts.value().kind) {
      case FileFacts::Kind::kDirectory: at = Enter(at.value().number(), name, next, trust, pending.empty()); break;
      case FileFacts::Kind::kSymbolicLink: {
        const bool owners = trust == Trust::kAnyDirectories && facts.value().owner == at.value().facts.owner;
        if (!Trusted(facts.value().owner) && !owners) {
          return Unsafe("open", "symbolic link " + next + " belongs to " + OwnerOf(facts.value()) +
                                    ", who could point it elsewhere; it must belong to this user or to root");
        }
        if (++links > kMostLinks) return Failure{FailureKind::kSystem, ELOOP, "lstat", path};
        // No other user can replace this user's link: other users cannot write to the directory, or it is sticky.
        Result<std::string> target = ReadLinkAt(at.value().number(), name, next);
        if (!target.ok()) return target.failure();
        PushComponents(target.value(), pending);
        if (!target.value().empty() && target.value().front() == '/') {
          at = Enter(AT_FDCWD, "/", "/", trust, pending.empty());
        }
        break;
      }
      case FileFacts::Kind::kSocket:
      case FileFacts::Kind::kRegular:
      case FileFacts::Kind::kOther: return Failure{FailureKind::kSystem, ENOTDIR, "open", next};
    }
  }
  return at;
}

Status CheckOwnFile(const std::string& path, const FileFacts& facts) {
  if (facts.kind == FileFacts::Kind::kSymbolicLink) return Unsafe("open", path + " is a symbolic link");
  if (facts.kind != FileFacts::Kind::kRegular) return Unsafe("open", path + " is not a regular file");
  if (facts.owner != OwnUserId()) return Unsafe("open", path + " belongs to " + OwnerOf(facts) + "; remove it");
  // No name at all: the file was just removed, which the caller notices.
  if (facts.links > 1) {
    return Unsafe("open", path + " has " + std::to_string(facts.links) +
                              " names, so it may be another file under a second name; remove it");
  }
  if ((facts.mode & kOthers) != 0) {
    return Unsafe("open", path + " is open to other users; remove it, or take their access away (chmod 600)");
  }
  return Done{};
}

Result<OwnedDescriptor> OpenOwnFile(const SafeDirectory& directory, const std::string& name, int flags) {
  const std::string path = directory.PathOf(name);
  // O_NONBLOCK: opening a FIFO that another user put here must not wait for its other end.
  OwnedDescriptor file = OpenAt(directory.number(), name, flags | O_NONBLOCK);
  if (!file.valid()) {
    switch (errno) {
      case ELOOP: return Failure{FailureKind::kUnsafePath, ELOOP, "open", path + " is a symbolic link"};
      case EACCES:
      case EISDIR:
      case ENXIO:
        return Failure{FailureKind::kUnsafePath, errno, "open", path + " is not a file that this user may open"};
      default: return Failure{FailureKind::kSystem, errno, "open", path};
    }
  }
  const int number = static_cast<int>(file.get());
  Result<FileFacts> facts = InspectDescriptor(number);
  if (!facts.ok()) return facts.failure();
  if (Status status = CheckOwnFile(path, facts.value()); !status.ok()) return status.failure();
  // The umask may have removed bits that the next start needs.
  if (facts.value().mode != kOwnerOnlyFile && fchmod(number, kOwnerOnlyFile) != 0) {
    return Failure{FailureKind::kSystem, errno, "fchmod", path};
  }
  return file;
}

Result<SafePath> ResolveSafely(const std::string& path, Trust trust, MissingDirectories missing) {
  const std::size_t slash = path.rfind('/');
  if (path.empty() || path.front() != '/' || slash + 1 == path.size()) {
    return Unsafe("open", "'" + path + "' is not an absolute path of a file");
  }
  Result<SafeDirectory> directory = OpenSafely(slash == 0 ? "/" : path.substr(0, slash), trust, missing);
  if (!directory.ok()) return directory.failure();
  return SafePath{std::move(directory.value()), path.substr(slash + 1)};
}

}  // namespace sentinel
