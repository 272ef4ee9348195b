// Datagrams to Unix sockets, as sd_notify(3) sends them. See platform.h for the contract.

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "platform/platform.h"
#include "platform/posix/unix_socket.h"

namespace sentinel {

Status SendDatagram(const std::string& address, const std::string& text) {
  sockaddr_un target{};
  target.sun_family = AF_UNIX;
  const bool abstract = !address.empty() && address.front() == '@';
  // A path needs its terminating NUL; an abstract name ends with its length (unix(7)).
  if (address.size() + (abstract ? 0 : 1) > sizeof(target.sun_path)) {
    return Failure{FailureKind::kPathTooLong, ENAMETOOLONG, "sendto", address};
  }
  std::memcpy(target.sun_path, address.data(), address.size());
  if (abstract) target.sun_path[0] = '\0';
  const std::size_t size = offsetof(sockaddr_un, sun_path) + address.size() + (abstract ? 0 : 1);
  const OwnedDescriptor socket = CreateDatagramSocket();
  if (!socket.valid()) return Failure{FailureKind::kExhausted, errno, "socket", {}};
  while (sendto(static_cast<int>(socket.get()), text.data(), text.size(), kSendFlags,
                reinterpret_cast<const sockaddr*>(&target), static_cast<socklen_t>(size)) < 0) {
    switch (errno) {
      case EINTR: continue;
      case EAGAIN:
      case ENOBUFS: return Failure{FailureKind::kWouldBlock, errno, "sendto", address};
      default: return Failure{FailureKind::kSystem, errno, "sendto", address};
    }
  }
  return Done{};
}

}  // namespace sentinel
