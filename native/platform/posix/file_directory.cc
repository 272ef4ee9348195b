// Private directories on POSIX: everything below one is opened relative to its descriptor, and the claim is a lock
// of flock(2), which belongs to the open file description. So it excludes other threads, processes, containers and
// users alike, and ends when the descriptor does.

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "platform/platform.h"
#include "platform/posix/safe_path.h"

namespace sentinel {
namespace {

// A process forked by another thread holds a copy of the lock until it calls exec, so a lock that
// was just released may still be held for a moment.
constexpr int kLockTries = 20;
constexpr int kLockPauseMs = 5;

int Number(const OwnedDescriptor& descriptor) { return static_cast<int>(descriptor.get()); }

class PosixFileDirectory final : public FileDirectory {
 public:
  PosixFileDirectory(SafeDirectory directory, OwnedDescriptor readable)
      : directory_(std::move(directory)), readable_(std::move(readable)) {}

  const std::string& path() const override { return directory_.path; }

  Status Claim(const std::string& lock_name) override {
    Result<OwnedDescriptor> lock = OpenOwnFile(directory_, lock_name, O_RDWR | O_CREAT);
    if (!lock.ok()) return lock.failure();
    for (int tries = 1; flock(Number(lock.value()), LOCK_EX | LOCK_NB) != 0; ++tries) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) return Failure{FailureKind::kSystem, errno, "flock", directory_.PathOf(lock_name)};
      if (tries >= kLockTries) {
        return Failure{FailureKind::kAddressInUse, EWOULDBLOCK, "flock", directory_.path + " is already open"};
      }
      poll(nullptr, 0, kLockPauseMs);
    }
    lock_ = std::move(lock.value());
    return Done{};
  }

  Result<std::vector<std::string>> List() override {
    // Open another descriptor, because closedir closes it.
    const int number = openat(Number(readable_), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const stream = number < 0 ? nullptr : fdopendir(number);
    if (stream == nullptr) {
      const int code = errno;
      if (number >= 0) close(number);
      return Failure{FailureKind::kSystem, code, "opendir", directory_.path};
    }
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(stream)) {
      const std::string name = static_cast<const char*>(entry->d_name);
      if (name != "." && name != "..") names.push_back(name);
    }
    const int code = errno;
    closedir(stream);
    if (code != 0) return Failure{FailureKind::kSystem, code, "readdir", directory_.path};
    return names;
  }

  Result<OwnedDescriptor> Open(const std::string& name, Access access) override {
    switch (access) {
      case Access::kRead: return OpenOwnFile(directory_, name, O_RDONLY);
      case Access::kWrite: return OpenOwnFile(directory_, name, O_RDWR);
      case Access::kCreate: return OpenOwnFile(directory_, name, O_RDWR | O_CREAT | O_EXCL);
    }
    return Failure{FailureKind::kNotSupported, 0, "open", name};
  }

  Status Remove(const std::string& name) override {
    if (unlinkat(directory_.number(), name.c_str(), 0) == 0 || errno == ENOENT) return Done{};
    return Failure{FailureKind::kSystem, errno, "unlink", directory_.PathOf(name)};
  }

  Status Check(const std::string& name) override {
    Result<FileFacts> facts = InspectAt(directory_.number(), name);
    const std::string path = directory_.PathOf(name);
    if (!facts.ok()) return Failure{FailureKind::kSystem, facts.failure().code, "stat", path};
    return CheckOwnFile(path, facts.value());
  }

  Status Rename(const std::string& from, const std::string& to) override {
    const int number = directory_.number();
    if (renameat(number, from.c_str(), number, to.c_str()) == 0) return Done{};
    return Failure{FailureKind::kSystem, errno, "rename", directory_.PathOf(from)};
  }

  Status Sync() override {
    if (fsync(Number(readable_)) == 0) return Done{};
    return Failure{FailureKind::kSystem, errno, "fsync", directory_.path};
  }

 private:
  const SafeDirectory directory_;
  const OwnedDescriptor readable_;
  OwnedDescriptor lock_;
};

}  // namespace

Result<std::unique_ptr<FileDirectory>> OpenPrivateDirectory(const DirectoryRequest& request) {
  Result<SafeDirectory> opened =
      OpenSafely(request.path, Trust::kOwnDirectories,
                 request.create ? MissingDirectories::kMakeAll : MissingDirectories::kFail);
  if (!opened.ok()) return opened.failure();
  SafeDirectory& directory = opened.value();
  if (directory.facts.owner != OwnUserId()) {
    return Failure{FailureKind::kUnsafePath, 0, "open",
                   "directory " + directory.path + " belongs to user " + std::to_string(directory.facts.owner) +
                       "; it must belong to this user"};
  }
  if ((directory.facts.mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Failure{FailureKind::kUnsafePath, 0, "open",
                   "directory " + directory.path + " is open to other users; take their access away (chmod 700)"};
  }
  OwnedDescriptor readable(
      static_cast<Descriptor>(openat(directory.number(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!readable.valid()) return Failure{FailureKind::kSystem, errno, "open", directory.path};
  return std::unique_ptr<FileDirectory>(
      std::make_unique<PosixFileDirectory>(std::move(directory), std::move(readable)));
}

}  // namespace sentinel
