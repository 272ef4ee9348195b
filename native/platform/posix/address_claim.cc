#include "platform/posix/address_claim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace sentinel {
namespace {

// How often a lock file may vanish between opening and locking it, because its holder ended in between.
constexpr int kMostLockTries = 100;

std::string LockName(const std::string& name) { return name + ".lock"; }

int Number(const OwnedDescriptor& descriptor) { return static_cast<int>(descriptor.get()); }

Failure InUse(std::string detail) { return {FailureKind::kAddressInUse, EADDRINUSE, "bind", std::move(detail)}; }

// Returns an empty optional if the last holder removed the file before we locked it: try again. A lock file that
// belongs to another user, or that has a second name, is refused: that user could keep it locked forever.
Result<std::optional<OwnedDescriptor>> TryLock(const SafePath& address) {
  const SafeDirectory& directory = address.directory;
  const std::string name = LockName(address.name);
  Result<OwnedDescriptor> lock = OpenOwnFile(directory, name, O_RDWR | O_CREAT);
  if (!lock.ok()) return lock.failure();
  if (flock(Number(lock.value()), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return InUse("another listener holds " + directory.PathOf(name));
    return Failure{FailureKind::kSystem, errno, "flock", directory.PathOf(name)};
  }
  Result<FileFacts> mine = InspectDescriptor(Number(lock.value()));
  if (!mine.ok()) return mine.failure();
  Result<FileFacts> there = InspectAt(directory.number(), name);
  if (there.ok() && there.value().SameFile(mine.value())) {
    return std::optional<OwnedDescriptor>(std::move(lock.value()));
  }
  if (!there.ok() && there.failure().code != ENOENT) return there.failure();
  return std::optional<OwnedDescriptor>();
}

}  // namespace

Result<AddressClaim> AddressClaim::Take(SafePath address) {
  for (int tries = 0; tries < kMostLockTries; ++tries) {
    Result<std::optional<OwnedDescriptor>> lock = TryLock(address);
    if (!lock.ok()) return lock.failure();
    if (!lock.value().has_value()) continue;
    AddressClaim claim(std::move(address), std::move(*lock.value()));
    if (Status status = claim.RemoveStaleSocket(); !status.ok()) return status.failure();
    return claim;
  }
  return InUse("the lock file " + LockName(address.path()) + " kept changing");
}

Status AddressClaim::RemoveStaleSocket() const {
  const std::string path = address_.path();
  Result<FileFacts> facts = Inspect();
  if (!facts.ok()) {
    if (facts.failure().code == ENOENT) return Done{};
    return facts.failure();
  }
  if (facts.value().kind != FileFacts::Kind::kSocket) {
    return Failure{FailureKind::kUnsafePath, 0, "lstat", path + " exists and is not a socket"};
  }
  if (facts.value().owner != OwnUserId()) {
    return InUse(path + " belongs to user " + std::to_string(facts.value().owner));
  }
  // A listener that takes no lock, such as a Go peer, can only be detected by connecting.
  Result<OwnedDescriptor> probe = Connect(path);
  if (probe.ok()) return InUse("a process listens at " + path);
  switch (probe.failure().kind) {
    case FailureKind::kNotListening: break;
    case FailureKind::kWouldBlock: return InUse("a process listens at " + path + ", and its queue is full");
    default: return probe.failure();
  }
  if (unlinkat(address_.directory.number(), address_.name.c_str(), 0) != 0 && errno != ENOENT) {
    return Failure{FailureKind::kSystem, errno, "unlink", path};
  }
  return Done{};
}

AddressClaim::~AddressClaim() {
  if (!lock_.valid()) return;  // moved from
  if (socket_.has_value()) {
    Result<FileFacts> there = Inspect();
    if (there.ok() && there.value().SameFile(*socket_))
      unlinkat(address_.directory.number(), address_.name.c_str(), 0);
  }
  // Removed while still locked, so the next claimant notices that the file it opened is gone, and begins again. Not
  // if a cleaner removed it before: then the file of that name is another listener's.
  const std::string name = LockName(address_.name);
  Result<FileFacts> mine = InspectDescriptor(Number(lock_));
  Result<FileFacts> named = InspectAt(address_.directory.number(), name);
  if (mine.ok() && named.ok() && named.value().SameFile(mine.value())) {
    unlinkat(address_.directory.number(), name.c_str(), 0);
  }
}

}  // namespace sentinel
