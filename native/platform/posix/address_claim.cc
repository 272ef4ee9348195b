#include "platform/posix/address_claim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace sentinel {
namespace {

// How often a lock file may vanish between our opening it and locking it, because its holder ended just then.
constexpr int kMostLockTries = 100;

std::string LockPath(const std::string& path) { return path + ".lock"; }

int Number(const OwnedDescriptor& descriptor) { return static_cast<int>(descriptor.get()); }

Failure InUse(std::string detail) { return {FailureKind::kAddressInUse, EADDRINUSE, "bind", std::move(detail)}; }

Result<OwnedDescriptor> OpenLockFile(const std::string& lock_path) {
  // O_NONBLOCK: should somebody have put a FIFO there, opening must not wait for its other end.
  OwnedDescriptor lock(static_cast<Descriptor>(
      open(lock_path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, S_IRUSR | S_IWUSR)));
  if (lock.valid()) return lock;
  switch (errno) {
    case ELOOP:
      return Failure{FailureKind::kUnsafePath, ELOOP, "open", "lock file " + lock_path + " is a symbolic link"};
    case EACCES:
    case EISDIR:
    case ENXIO:
      return Failure{FailureKind::kUnsafePath, errno, "open", "lock file " + lock_path + " is not this user's"};
    default: return Failure{FailureKind::kSystem, errno, "open", lock_path};
  }
}

// A lock file that somebody else owns, or has a second name for, could be locked by them for ever.
Status CheckLockFile(const FileFacts& facts, const std::string& lock_path) {
  if (facts.kind == FileFacts::Kind::kRegular && facts.owner == OwnUserId()) return Done{};
  return Failure{
      FailureKind::kUnsafePath, 0, "open",
      "lock file " + lock_path + " belongs to user " + std::to_string(facts.owner) + " or is no regular file"};
}

// Empty optional: the file was removed by its last holder before we had it; try again.
Result<std::optional<OwnedDescriptor>> TryLock(const std::string& path) {
  const std::string lock_path = LockPath(path);
  Result<OwnedDescriptor> opened = OpenLockFile(lock_path);
  if (!opened.ok()) return opened.failure();
  OwnedDescriptor lock = std::move(opened.value());

  Result<FileFacts> mine = InspectDescriptor(Number(lock));
  if (!mine.ok()) return mine.failure();
  if (Status status = CheckLockFile(mine.value(), lock_path); !status.ok()) return status.failure();
  // A umask may have left less than the next starter needs, should this process be killed.
  constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;
  if (mine.value().mode != kOwnerOnly && fchmod(Number(lock), kOwnerOnly) != 0) {
    return Failure{FailureKind::kSystem, errno, "fchmod", lock_path};
  }

  if (flock(Number(lock), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return InUse("another listener holds " + lock_path);
    return Failure{FailureKind::kSystem, errno, "flock", lock_path};
  }
  Result<FileFacts> there = InspectPath(lock_path);
  if (there.ok() && there.value().SameFile(mine.value())) {
    return std::optional<OwnedDescriptor>(std::move(lock));
  }
  if (!there.ok() && there.failure().code != ENOENT) return there.failure();
  return std::optional<OwnedDescriptor>();
}

}  // namespace

Result<AddressClaim> AddressClaim::Take(const std::string& path) {
  for (int tries = 0; tries < kMostLockTries; ++tries) {
    Result<std::optional<OwnedDescriptor>> lock = TryLock(path);
    if (!lock.ok()) return lock.failure();
    if (!lock.value().has_value()) continue;
    AddressClaim claim(path, std::move(*lock.value()));
    if (Status status = claim.RemoveStaleSocket(); !status.ok()) return status.failure();
    return claim;
  }
  return InUse("the lock file " + LockPath(path) + " kept changing");
}

Status AddressClaim::RemoveStaleSocket() const {
  Result<FileFacts> facts = InspectPath(path_);
  if (!facts.ok()) {
    if (facts.failure().code == ENOENT) return Done{};
    return facts.failure();
  }
  if (facts.value().kind != FileFacts::Kind::kSocket) {
    return Failure{FailureKind::kUnsafePath, 0, "lstat", path_ + " exists and is not a socket"};
  }
  if (facts.value().owner != OwnUserId()) {
    return InUse(path_ + " belongs to user " + std::to_string(facts.value().owner));
  }
  // A listener that takes no lock (a Go peer) shows only by answering.
  Result<OwnedDescriptor> probe = Connect(path_);
  if (probe.ok()) return InUse(path_ + " answers");
  switch (probe.failure().kind) {
    case FailureKind::kNotListening: break;
    case FailureKind::kWouldBlock: return InUse(path_ + " answers, though it is busy");
    default: return probe.failure();
  }
  if (unlink(path_.c_str()) != 0 && errno != ENOENT) {
    return Failure{FailureKind::kSystem, errno, "unlink", path_};
  }
  return Done{};
}

AddressClaim::~AddressClaim() {
  if (!lock_.valid()) return;  // moved from
  if (socket_.has_value()) {
    Result<FileFacts> there = InspectPath(path_);
    if (there.ok() && there.value().SameFile(*socket_)) unlink(path_.c_str());
  }
  // Still under the lock, so that nobody can have replaced it: the next starter sees that the file it
  // opened is gone and begins again.
  unlink(LockPath(path_).c_str());
}

}  // namespace sentinel
