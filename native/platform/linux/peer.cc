// Identifies the peer of a Unix domain socket on Linux (SO_PEERCRED and its companions). Must not know listening or
// policies.

#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "platform/linux/control_group.h"
#include "platform/platform.h"

namespace sentinel {
namespace {

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

std::uint32_t ReadOverflowId(const char* path, std::uint32_t otherwise) {
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return otherwise;
  unsigned id = 0;
  // NOLINTNEXTLINE(cert-err34-c): the kernel writes one number
  const bool read = std::fscanf(file, "%u", &id) == 1;
  static_cast<void>(std::fclose(file));
  return read ? id : otherwise;
}

Result<std::vector<std::uint32_t>> ReadPeerGroups(int number) {
  std::vector<gid_t> groups(32);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (getsockopt(number, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
      groups.resize(size / sizeof(gid_t));
      return std::vector<std::uint32_t>(groups.begin(), groups.end());
    }
    switch (errno) {
      case ERANGE:  // `size` is now the required size (socket(7))
        groups.resize(std::max<std::size_t>(size / sizeof(gid_t), groups.size() * 2));
        continue;
      case ENOPROTOOPT:  // Linux before 4.13: no supplementary groups, so none can admit
        return std::vector<std::uint32_t>();
      default: return Failure{FailureKind::kPeerUnknown, errno, "getsockopt SO_PEERGROUPS", {}};
    }
  }
}

// SO_PEERPIDFD of Linux 6.5, which the headers of Debian 12 lack.
constexpr int kPeerPidfd = 77;

// Returns "" if no security module labels sockets.
std::string ReadPeerLabel(int number) {
  constexpr std::size_t kMostLabelBytes = 4096;
  std::string label(256, '\0');
  for (;;) {
    auto size = static_cast<socklen_t>(label.size());
    if (getsockopt(number, SOL_SOCKET, SO_PEERSEC, label.data(), &size) == 0) {
      label.resize(size);
      // Only some modules count the terminating NUL.
      return label.c_str();
    }
    if (errno != ERANGE || label.size() >= kMostLabelBytes) return {};
    label.resize(label.size() * 2);
  }
}

// Returns "" if it cannot be read whole, because a truncated value could be mistaken for another one.
std::string ReadSmallFile(int directory, const char* name) {
  // Not initialized, which would take longer than reading these files.
  std::array<char, 16384> text;
  const OwnedDescriptor file(static_cast<Descriptor>(openat(directory, name, O_RDONLY | O_CLOEXEC)));
  if (!file.valid()) return {};
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t more = read(Number(file.get()), text.data() + size, text.size() - size);
    if (more == 0) break;
    if (more < 0) return {};
    size += static_cast<std::size_t>(more);
  }
  return size < text.size() ? std::string(text.data(), size) : std::string();
}

// The process of a pidfd, and its directory in /proc. A read there returns data of that process or fails, because
// an open directory of /proc stays with its process even when the id is used again.
class PeerProcess {
 public:
  PeerProcess(OwnedDescriptor process, std::int64_t process_id)
      : process_(std::move(process)), process_id_(process_id) {
    const std::string path = "/proc/" + std::to_string(process_id);
    directory_ = OwnedDescriptor(static_cast<Descriptor>(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  }

  // Whether the directory belongs to the process and the process has not ended. If this is true at any time after
  // the directory was opened, the process had the id when it was opened.
  bool Holds() const { return directory_.valid() && PidOf(process_.get()) == process_id_ && !HasEnded(); }

  // "" if it may not be read, as for processes of other users.
  std::string Executable() const {
    std::array<char, PATH_MAX> path;
    const ssize_t length = readlinkat(Number(directory_.get()), "exe", path.data(), path.size());
    return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : std::string();
  }

  std::string ControlGroups() const { return ReadSmallFile(Number(directory_.get()), "cgroup"); }

 private:
  // A pidfd is readable once its process has ended (pidfd_open(2)), even while the process is a zombie, which still
  // has an id and control groups. ReadableNow is also true if it cannot tell, and then the process does not count
  // as alive.
  bool HasEnded() const { return ReadableNow(process_.get()); }

  // The id in this pid namespace (proc(5), fdinfo): 0 in another one, -1 once the process is gone.
  static std::int64_t PidOf(Descriptor process) {
    const std::string path = "/proc/self/fdinfo/" + std::to_string(Number(process));
    const std::string facts = ReadSmallFile(AT_FDCWD, path.c_str());
    const std::size_t line = facts.find("\nPid:");
    return line == std::string::npos ? -1 : std::strtoll(facts.c_str() + line + 5, nullptr, 10);
  }

  const OwnedDescriptor process_;
  const std::int64_t process_id_;
  OwnedDescriptor directory_;
};

}  // namespace

Result<PeerIdentity> ReadPeerIdentity(Descriptor connected) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (getsockopt(Number(connected), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return Failure{FailureKind::kPeerUnknown, errno, "getsockopt SO_PEERCRED", {}};
  }
  // The kernel fills in this value if there are no credentials.
  if (size != sizeof(credentials) || credentials.uid == static_cast<uid_t>(-1)) {
    return Failure{FailureKind::kPeerUnknown, 0, "getsockopt SO_PEERCRED", "the kernel has no credentials"};
  }
  Result<std::vector<std::uint32_t>> groups = ReadPeerGroups(Number(connected));
  if (!groups.ok()) return groups.failure();
  PeerIdentity peer;
  peer.process_id = credentials.pid;
  peer.user_id = credentials.uid;
  peer.group_id = credentials.gid;
  peer.groups = std::move(groups.value());
  return peer;
}

Result<OwnedDescriptor> OpenPeerProcess(Descriptor connected) {
  int process = -1;
  socklen_t size = sizeof(process);
  if (getsockopt(Number(connected), SOL_SOCKET, kPeerPidfd, &process, &size) == 0) {
    return OwnedDescriptor(static_cast<Descriptor>(process));
  }
  switch (errno) {
    case ENOPROTOOPT:  // Linux before 6.5
      return Failure{FailureKind::kNotSupported, errno, "getsockopt SO_PEERPIDFD", {}};
    case EMFILE:
    case ENFILE:
    case ENOMEM: return Failure{FailureKind::kExhausted, errno, "getsockopt SO_PEERPIDFD", {}};
    case EINVAL:   // the process has been reaped
    case ESRCH:    // the same, on other kernels
    case ENODATA:  // the socket never had a peer process
      return Failure{FailureKind::kPeerUnknown, errno, "getsockopt SO_PEERPIDFD", {}};
    default: return Failure{FailureKind::kSystem, errno, "getsockopt SO_PEERPIDFD", {}};
  }
}

void ReadPeerDetails(Descriptor connected, PeerIdentity& peer) {
  peer.label = ReadPeerLabel(Number(connected));
  if (peer.process_id <= 0) return;  // of another pid namespace: our /proc does not have it
  Result<OwnedDescriptor> opened = OpenPeerProcess(connected);
  if (!opened.ok()) return;
  const PeerProcess process(std::move(opened.value()), peer.process_id);
  std::string executable = process.Executable();
  std::string unit = UnitOfControlGroups(process.ControlGroups());
  // After the reads, so that it covers them too.
  if (!process.Holds()) return;
  // This is the program that runs now, which may differ from the one that connected because of execve(2). The unit
  // is reliable: only root, or the owner of a delegated subtree of control groups, can move a process.
  peer.executable = std::move(executable);
  peer.unit = std::move(unit);
}

UnmappedIds ReadUnmappedIds() {
  UnmappedIds ids;
  ids.user = ReadOverflowId("/proc/sys/kernel/overflowuid", ids.user);
  ids.group = ReadOverflowId("/proc/sys/kernel/overflowgid", ids.group);
  return ids;
}

}  // namespace sentinel
