// Sockets and wakers on Linux: flags at creation, binding of a private socket, and an eventfd as waker.
// Binaries must load with glibc 2.28 (RHEL 8): see glibc.h.

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "platform/platform.h"
#include "platform/posix/unix_socket.h"

namespace sentinel {
namespace {

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

}  // namespace

const int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

OwnedDescriptor CreateSocket() {
  return OwnedDescriptor(static_cast<Descriptor>(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
}

OwnedDescriptor CreateDatagramSocket() {
  return OwnedDescriptor(static_cast<Descriptor>(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
}

OwnedDescriptor AcceptClient(Descriptor listening) {
  return OwnedDescriptor(
      static_cast<Descriptor>(accept4(Number(listening), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)));
}

Status BindPrivately(Descriptor socket, const std::string& path) {
  // The mode of the unbound socket, masked by the umask, becomes the mode of the file.
  if (fchmod(Number(socket), S_IRUSR | S_IWUSR) != 0) return Failure{FailureKind::kSystem, errno, "fchmod", path};
  return BindAt(socket, path);
}

// A descriptor of O_PATH stands for the file itself, a link included, and takes no permission for it (open(2)).
Result<PinnedFile> PinAt(int directory, const std::string& name) {
  OwnedDescriptor descriptor(
      static_cast<Descriptor>(openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)));
  if (!descriptor.valid()) {
    const bool exhausted = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
    return Failure{exhausted ? FailureKind::kExhausted : FailureKind::kSystem, errno, "open", name};
  }
  Result<FileFacts> facts = InspectDescriptor(Number(descriptor.get()));
  if (!facts.ok()) return facts.failure();
  std::string path = "/proc/self/fd/" + std::to_string(Number(descriptor.get()));
  return PinnedFile{facts.value(), std::move(descriptor), std::move(path)};
}

Result<OwnedDescriptor> CreateWaker() {
  OwnedDescriptor waker(static_cast<Descriptor>(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
  if (waker.valid()) return waker;
  return Failure{FailureKind::kExhausted, errno, "eventfd", {}};
}

void Wake(Descriptor waker) {
  const std::uint64_t one = 1;
  // EAGAIN means that the count is full, so the thread will wake up. eventfd(2) does not fail for lack of memory,
  // but if it ever did, a lost wake-up would make the thread wait for ever.
  while (write(Number(waker), &one, sizeof(one)) < 0 && (errno == EINTR || errno == ENOMEM || errno == ENOBUFS)) {
  }
}

void DrainWaker(Descriptor waker) {
  std::uint64_t count = 0;
  while (read(Number(waker), &count, sizeof(count)) < 0 && errno == EINTR) {
  }
}

bool CreateSocketPair(OwnedDescriptor& one, OwnedDescriptor& other) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return false;
  one = OwnedDescriptor(static_cast<Descriptor>(ends[0]));
  other = OwnedDescriptor(static_cast<Descriptor>(ends[1]));
  return true;
}

double MillisecondsSinceBoot() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

std::string BootId() {
  const OwnedDescriptor file(
      static_cast<Descriptor>(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)));
  char id[64];
  const ssize_t size = file.valid() ? read(static_cast<int>(file.get()), id, sizeof(id)) : 0;
  if (size <= 0) return {};
  std::string text(id, static_cast<std::size_t>(size));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace sentinel
