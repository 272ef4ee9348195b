// What Linux does its own way: peer credentials, file facts, descriptor cookies, flags at creation.
// Binaries must load with glibc 2.28 (RHEL 8); see the notes at the calls that would ask for more.

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "platform.h"
#include "posix.h"
#include "posix_path.h"

// Since glibc 2.34 the thread functions live in libc under a new version; the old one is still there and is
// what an older system has.
#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver pthread_create,pthread_create@GLIBC_2.2.5");
__asm__(".symver pthread_join,pthread_join@GLIBC_2.2.5");
__asm__(".symver pthread_sigmask,pthread_sigmask@GLIBC_2.2.5");
#elif defined(__GLIBC__) && defined(__aarch64__)
__asm__(".symver pthread_create,pthread_create@GLIBC_2.17");
__asm__(".symver pthread_join,pthread_join@GLIBC_2.17");
__asm__(".symver pthread_sigmask,pthread_sigmask@GLIBC_2.17");
#endif

namespace sentinel {
namespace {

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

// statx(2) rather than lstat: the latter's symbol is new in glibc 2.33.
Result<FileFacts> Statx(int directory, const char* path, int flags) {
  struct statx facts {};
  if (statx(directory, path, flags | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &facts) != 0) {
    return Failure{FailureKind::kSystem, errno, "statx", path};
  }
  FileFacts answer;
  switch (facts.stx_mode & S_IFMT) {
    case S_IFDIR: answer.kind = FileFacts::Kind::kDirectory; break;
    case S_IFLNK: answer.kind = FileFacts::Kind::kSymbolicLink; break;
    case S_IFSOCK: answer.kind = FileFacts::Kind::kSocket; break;
    case S_IFREG: answer.kind = FileFacts::Kind::kRegular; break;
    default: answer.kind = FileFacts::Kind::kOther; break;
  }
  answer.mode = facts.stx_mode & ~static_cast<std::uint32_t>(S_IFMT);
  answer.owner = facts.stx_uid;
  answer.device = makedev(facts.stx_dev_major, facts.stx_dev_minor);
  answer.inode = facts.stx_ino;
  return answer;
}

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

bool HasEnded(Descriptor process) {
  pollfd watched = {Number(process), POLLIN, 0};
  return poll(&watched, 1, 0) != 0;  // an error is no proof of life
}

struct StartedThread final : Thread {
  pthread_t handle{};
  void Join() override { pthread_join(handle, nullptr); }
};

struct ThreadStart {
  ThreadBody body;
  void* argument;
};

void* RunThread(void* raw) {
  const std::unique_ptr<ThreadStart> start(static_cast<ThreadStart*>(raw));
  start->body(start->argument);
  return nullptr;
}

}  // namespace

Result<FileFacts> InspectPath(const std::string& path) { return Statx(AT_FDCWD, path.c_str(), 0); }
Result<FileFacts> InspectDescriptor(int descriptor) { return Statx(descriptor, "", AT_EMPTY_PATH); }

OwnedDescriptor CreateSocket() {
  return OwnedDescriptor(static_cast<Descriptor>(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
}

OwnedDescriptor AcceptClient(Descriptor listening) {
  return OwnedDescriptor(
      static_cast<Descriptor>(accept4(Number(listening), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)));
}

Result<OwnedDescriptor> CreateWaker() {
  OwnedDescriptor waker(static_cast<Descriptor>(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
  if (waker.valid()) return waker;
  return Failure{FailureKind::kExhausted, errno, "eventfd", {}};
}

void Wake(Descriptor waker) {
  const std::uint64_t one = 1;
  // EAGAIN means that the count is full: the thread will wake up. Want of memory is nothing that eventfd(2) knows,
  // but a wake-up that is lost would have somebody wait for ever.
  while (write(Number(waker), &one, sizeof(one)) < 0 && (errno == EINTR || errno == ENOMEM || errno == ENOBUFS)) {
  }
}

void DrainWaker(Descriptor waker) {
  std::uint64_t count = 0;
  while (read(Number(waker), &count, sizeof(count)) < 0 && errno == EINTR) {
  }
}

Result<NotifyPair> CreateNotifyPair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return Failure{errno == EMFILE || errno == ENFILE ? FailureKind::kExhausted : FailureKind::kSystem,
                   errno,
                   "socketpair",
                   {}};
  }
  NotifyPair pair;
  pair.loop = OwnedDescriptor(static_cast<Descriptor>(ends[0]));
  pair.thread = OwnedDescriptor(static_cast<Descriptor>(ends[1]));
  return pair;
}

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
  if (!HasEnded(process.value().get())) peer.executable = std::move(executable);
}

UnmappedIds ReadUnmappedIds() {
  UnmappedIds ids;
  ids.user = ReadOverflowId("/proc/sys/kernel/overflowuid", ids.user);
  ids.group = ReadOverflowId("/proc/sys/kernel/overflowgid", ids.group);
  return ids;
}

std::optional<std::uint64_t> DescriptorCookie(Descriptor descriptor) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  if (getsockopt(Number(descriptor), SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) return std::nullopt;
  return cookie;
}

Result<std::unique_ptr<Thread>> StartThread(ThreadBody body, void* argument) {
  auto thread = std::make_unique<StartedThread>();
  auto start = std::make_unique<ThreadStart>(ThreadStart{body, argument});
  // The new thread inherits this mask: signals stay with the threads that expect them.
  sigset_t everything;
  sigset_t before;
  sigfillset(&everything);
  pthread_sigmask(SIG_SETMASK, &everything, &before);
  const int code = pthread_create(&thread->handle, nullptr, RunThread, start.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (code != 0) return Failure{FailureKind::kExhausted, code, "pthread_create", {}};
  start.release();  // NOLINT(bugprone-unused-return-value): RunThread owns it now
  return std::unique_ptr<Thread>(std::move(thread));
}

}  // namespace sentinel
