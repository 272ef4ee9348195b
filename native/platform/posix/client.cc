// The connected end of a Unix domain socket: dialling, writing a batch, noticing that the peer has gone. Reading is
// in socket_read.cc. The counterpart of win32/client.cc.

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "platform/platform.h"
#include "platform/posix/safe_path.h"
#include "platform/posix/unix_socket.h"

namespace sentinel {
namespace {

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

// connect(2) to a path. Returns 0 or the error number.
int ConnectTo(const OwnedDescriptor& socket, const std::string& path) {
  Result<sockaddr_un> address = SocketAddress(path);
  if (!address.ok()) return address.failure().code;
  return connect(Number(socket.get()), Generic(address.value()), sizeof(sockaddr_un)) == 0 ? 0 : errno;
}

}  // namespace

Result<OwnedDescriptor> Connect(const std::string& path) {
  if (Result<sockaddr_un> asked = SocketAddress(path); !asked.ok()) return asked.failure();
  // connect(2) follows links. Links of other users are refused here, so that they never decide which server is
  // reached, although the peer check would refuse a stranger behind one.
  Result<SafePath> resolved = ResolveSafely(path, Trust::kAnyDirectories, MissingDirectories::kFail);
  Result<PinnedFile> pinned =
      resolved.ok() ? PinAt(resolved.value().directory.number(), resolved.value().name) : resolved.failure();
  if (!pinned.ok()) {
    if (pinned.failure().code != ENOENT && pinned.failure().code != ENOTDIR) return pinned.failure();
    return Failure{FailureKind::kNotListening, pinned.failure().code, "connect", path + " does not exist"};
  }
  if (pinned.value().facts.kind != FileFacts::Kind::kSocket) {
    return Failure{FailureKind::kUnsafePath, 0, "connect", path + " is not a socket"};
  }
  const std::string plain = resolved.value().path();
  if (Result<sockaddr_un> address = SocketAddress(plain); !address.ok()) return address.failure();
  OwnedDescriptor socket = CreateSocket();
  if (!socket.valid()) return SocketFailure("socket");
  // Through the path of the descriptor if there is one: by now the name may refer to another file, or to a link.
  // That path does not exist where /proc is not mounted.
  int code = pinned.value().path.empty() ? ENOENT : ConnectTo(socket, pinned.value().path);
  if (code == ENOENT) code = ConnectTo(socket, plain);
  if (code == 0) return socket;
  errno = code;
  switch (errno) {
    case EAGAIN:  // the backlog is full
    case EINTR:
    case EINPROGRESS: return Failure{FailureKind::kWouldBlock, errno, "connect", path};
    case ECONNREFUSED:
    case ENOENT: return Failure{FailureKind::kNotListening, errno, "connect", path};
    default: return SocketFailure("connect", path);
  }
}

std::vector<std::size_t> FindGone(const std::vector<Descriptor>& connected) {
  // In parts, because poll takes no more entries than the process may have open descriptors.
  constexpr std::size_t kPart = 256;
  std::vector<std::size_t> gone;
  std::array<pollfd, kPart> watched;
  for (std::size_t begin = 0; begin < connected.size(); begin += kPart) {
    const std::size_t count = std::min(kPart, connected.size() - begin);
    // No event is requested, because a hangup is always reported. A negative number is skipped (poll(2)).
    for (std::size_t i = 0; i < count; ++i) watched[i] = {Number(connected[begin + i]), 0, 0};
    if (poll(watched.data(), static_cast<nfds_t>(count), 0) <= 0) continue;  // none, or no memory: try again later
    for (std::size_t i = 0; i < count; ++i) {
      int unread = 0;
      if ((watched[i].revents & POLLHUP) != 0 && ioctl(watched[i].fd, FIONREAD, &unread) == 0 && unread == 0) {
        gone.push_back(begin + i);
      }
    }
  }
  return gone;
}

Result<std::size_t> WriteBatch(Descriptor connected, const std::uint8_t* bytes, std::size_t size) {
  for (;;) {
    const ssize_t written = send(Number(connected), bytes, size, kSendFlags);
    if (written >= 0) return static_cast<std::size_t>(written);
    switch (errno) {
      case EINTR: continue;
      case EAGAIN:
      case ENOBUFS:  // out of memory: not now
      case ENOMEM: return static_cast<std::size_t>(0);
      default: return SocketFailure("send");
    }
  }
}

}  // namespace sentinel
