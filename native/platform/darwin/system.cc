// Sockets and wakers on macOS: flags set after creation, binding by way of a private directory, and a kqueue as
// waker. Compiled, never run.

#include <fcntl.h>
#include <stdio.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "platform/platform.h"
#include "platform/posix/unix_socket.h"

namespace sentinel {
namespace {

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

// macOS has no flags at creation: between the two calls, a fork in another thread can inherit the descriptor.
bool Prepare(int number) {
  const int flags = fcntl(number, F_GETFL);
  const int on = 1;
  return flags >= 0 && fcntl(number, F_SETFD, FD_CLOEXEC) == 0 && fcntl(number, F_SETFL, flags | O_NONBLOCK) == 0 &&
         setsockopt(number, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on)) == 0;
}

OwnedDescriptor Prepared(int number) {
  OwnedDescriptor socket(static_cast<Descriptor>(number));
  if (!socket.valid() || Prepare(number)) return socket;
  const int code = errno;
  socket.Reset();
  errno = code;
  return socket;
}

// A private directory (0700) next to `path`, removed by the destructor.
class PrivateDirectory {
 public:
  explicit PrivateDirectory(const std::string& path) : path_(path.substr(0, path.rfind('/')) + "/.XXXXXX") {
    made_ = mkdtemp(path_.data()) != nullptr;
  }
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;
  ~PrivateDirectory() {
    if (!made_) return;
    unlink(socket_path().c_str());  // absent if it was moved to its place
    rmdir(path_.c_str());
  }

  bool made() const { return made_; }
  const std::string& path() const { return path_; }
  std::string socket_path() const { return path_ + "/s"; }

 private:
  std::string path_;
  bool made_ = false;
};

// The one event that a waker's kqueue has.
struct kevent WakeEvent(std::uint16_t flags, std::uint32_t event_flags) {
  struct kevent event {};
  EV_SET(&event, 0, EVFILT_USER, flags, event_flags, 0, nullptr);
  return event;
}

}  // namespace

double MillisecondsSinceBoot() { return static_cast<double>(clock_gettime_nsec_np(CLOCK_MONOTONIC_RAW)) / 1e6; }

std::string BootId() {
  char id[64] = {};
  std::size_t size = sizeof(id) - 1;
  if (sysctlbyname("kern.bootsessionuuid", id, &size, nullptr, 0) != 0) return {};
  return static_cast<const char*>(id);
}

const int kSendFlags = MSG_DONTWAIT;

OwnedDescriptor CreateSocket() { return Prepared(socket(AF_UNIX, SOCK_STREAM, 0)); }

OwnedDescriptor CreateDatagramSocket() { return Prepared(socket(AF_UNIX, SOCK_DGRAM, 0)); }

OwnedDescriptor AcceptClient(Descriptor listening) {
  const int number = accept(Number(listening), nullptr, nullptr);
  OwnedDescriptor client = Prepared(number);
  // setsockopt(2) fails with EINVAL once the peer has closed. Any error but this one makes the accept thread pause,
  // so a client that connects and leaves would keep out the others.
  if (number >= 0 && !client.valid() && errno == EINVAL) errno = ECONNABORTED;
  return client;
}

bool CreateSocketPair(OwnedDescriptor& one, OwnedDescriptor& other) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return false;
  one = OwnedDescriptor(static_cast<Descriptor>(ends[0]));
  other = OwnedDescriptor(static_cast<Descriptor>(ends[1]));
  return Prepare(ends[0]) && Prepare(ends[1]);
}

// On macOS, fchmod of an unbound socket does not affect its file, and the umask belongs to the whole process. So
// the file is created where no other user can reach it, gets its mode, and is then moved to its place if nothing is
// there.
Status BindPrivately(Descriptor socket, const std::string& path) {
  const PrivateDirectory directory(path);
  if (!directory.made()) return Failure{FailureKind::kSystem, errno, "mkdtemp", directory.path()};
  const std::string made = directory.socket_path();
  if (Status status = BindAt(socket, made); !status.ok()) return status.failure();
  if (chmod(made.c_str(), S_IRUSR | S_IWUSR) != 0) return Failure{FailureKind::kSystem, errno, "chmod", made};
  if (renamex_np(made.c_str(), path.c_str(), RENAME_EXCL) == 0) return Done{};
  switch (errno) {
    case EEXIST: return Failure{FailureKind::kAddressInUse, EADDRINUSE, "renamex_np", path + " was taken just now"};
    case ENOTSUP:
      return Failure{FailureKind::kUnsafePath, ENOTSUP, "renamex_np",
                     "the file system of " + path + " cannot move a file without replacing another"};
    default: return Failure{FailureKind::kSystem, errno, "renamex_np", path};
  }
}

// macOS has no descriptors that a connection can go through.
Result<PinnedFile> PinAt(int directory, const std::string& name) {
  Result<FileFacts> facts = InspectAt(directory, name);
  if (!facts.ok()) return facts.failure();
  return PinnedFile{facts.value(), OwnedDescriptor(), {}};
}

// A kqueue is readable while an event of its own is pending, and a child of fork(2) does not get it.
Result<OwnedDescriptor> CreateWaker() {
  OwnedDescriptor waker(static_cast<Descriptor>(kqueue()));
  if (!waker.valid()) return Failure{FailureKind::kExhausted, errno, "kqueue", {}};
  const struct kevent add = WakeEvent(EV_ADD | EV_CLEAR, 0);
  if (kevent(Number(waker.get()), &add, 1, nullptr, 0, nullptr) != 0) {
    return Failure{FailureKind::kExhausted, errno, "kevent", {}};
  }
  return waker;
}

void Wake(Descriptor waker) {
  const struct kevent trigger = WakeEvent(0, NOTE_TRIGGER);
  while (kevent(Number(waker), &trigger, 1, nullptr, 0, nullptr) < 0 && errno == EINTR) {
  }
}

void DrainWaker(Descriptor waker) {
  struct kevent taken {};
  const timespec at_once{};
  while (kevent(Number(waker), nullptr, 0, &taken, 1, &at_once) < 0 && errno == EINTR) {
  }
}

}  // namespace sentinel
