// Who is at the other end of a Unix domain socket, as Linux tells it (SO_PEERCRED and its companions).
// Must not know listening, nor what makes a peer welcome.

#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

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
      case ERANGE:  // `size` now says how much room they need (socket(7))
        groups.resize(std::max<std::size_t>(size / sizeof(gid_t), groups.size() * 2));
        continue;
      case ENOPROTOOPT:  // Linux before 4.13: no supplementary groups, so none can admit
        return std::vector<std::uint32_t>();
      default: return Failure{FailureKind::kPeerUnknown, errno, "getsockopt SO_PEERGROUPS", {}};
    }
  }
}

// SO_PEERPIDFD of Linux 6.5; the headers of Debian 12 do not have it.
constexpr int kPeerPidfd = 77;

// "" where no security module labels sockets.
std::string ReadPeerLabel(int number) {
  constexpr std::size_t kMostLabelBytes = 4096;
  std::string label(256, '\0');
  for (;;) {
    auto size = static_cast<socklen_t>(label.size());
    if (getsockopt(number, SOL_SOCKET, SO_PEERSEC, label.data(), &size) == 0) {
      label.resize(size);
      // Some modules count the terminating NUL, some do not.
      return label.c_str();
    }
    if (errno != ERANGE || label.size() >= kMostLabelBytes) return {};
    label.resize(label.size() * 2);
  }
}

// "" where it may not be read, as with processes of other users.
std::string ReadExecutable(std::int64_t process_id) {
  const std::string link = "/proc/" + std::to_string(process_id) + "/exe";
  std::string path(PATH_MAX, '\0');
  const ssize_t length = readlink(link.c_str(), path.data(), path.size());
  path.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return path;
}

}  // namespace

Result<PeerIdentity> ReadPeerIdentity(Descriptor connected) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (getsockopt(Number(connected), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return Failure{FailureKind::kPeerUnknown, errno, "getsockopt SO_PEERCRED", {}};
  }
  // What the kernel fills in when there are no credentials at all.
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
    case ENODATA:  // there never was one
      return Failure{FailureKind::kPeerUnknown, errno, "getsockopt SO_PEERPIDFD", {}};
    default: return Failure{FailureKind::kSystem, errno, "getsockopt SO_PEERPIDFD", {}};
  }
}

void ReadPeerDetails(Descriptor connected, PeerIdentity& peer) {
  peer.label = ReadPeerLabel(Number(connected));
  // Whoever /proc/PID speaks of is the peer only as long as its process is held fast: the id could be another's.
  Result<OwnedDescriptor> process = OpenPeerProcess(connected);
  if (!process.ok()) return;
  std::string executable = ReadExecutable(peer.process_id);
  // Readable once it has ended (pidfd_open(2)); where that cannot be told, there is no proof of life.
  if (!ReadableNow(process.value().get())) peer.executable = std::move(executable);
}

UnmappedIds ReadUnmappedIds() {
  UnmappedIds ids;
  ids.user = ReadOverflowId("/proc/sys/kernel/overflowuid", ids.user);
  ids.group = ReadOverflowId("/proc/sys/kernel/overflowgid", ids.group);
  return ids;
}

}  // namespace sentinel
