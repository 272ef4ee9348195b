// Socket functions that the files of posix/ share: addresses, failures, numbers of descriptors.

#include "platform/posix/unix_socket.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "platform/platform.h"

namespace sentinel {
namespace {

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

FailureKind KindOfSocketError(int code) {
  switch (code) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return FailureKind::kExhausted;
    default: return FailureKind::kSystem;
  }
}

}  // namespace

void CloseDescriptor(Descriptor descriptor) {
  // Not repeated after EINTR: Linux has freed the number all the same (close(2)).
  close(Number(descriptor));
}

Result<int> ToLoopNumber(OwnedDescriptor descriptor) { return Number(descriptor.Release()); }
void CloseLoopNumber(int number) { CloseDescriptor(FromLoopNumber(number)); }
Descriptor FromLoopNumber(int number) { return static_cast<Descriptor>(number); }

Result<sockaddr_un> SocketAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // The terminating NUL must fit too: without it the name depends on the length passed along, and tools
  // show it wrongly (unix(7)).
  if (path.size() >= sizeof(address.sun_path)) {
    return Failure{FailureKind::kPathTooLong, ENAMETOOLONG, "bind",
                   path + " is " + std::to_string(path.size()) + " bytes long; the system takes " +
                       std::to_string(sizeof(address.sun_path) - 1)};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* Generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

Failure SocketFailure(const char* operation, std::string detail) {
  const int code = errno;
  return {KindOfSocketError(code), code, operation, std::move(detail)};
}

Status BindAt(Descriptor socket, const std::string& path) {
  Result<sockaddr_un> address = SocketAddress(path);
  if (!address.ok()) return address.failure();
  if (bind(Number(socket), Generic(address.value()), sizeof(sockaddr_un)) == 0) return Done{};
  if (errno == EADDRINUSE) {
    return Failure{FailureKind::kAddressInUse, EADDRINUSE, "bind", path + " was taken just now"};
  }
  return SocketFailure("bind", path);
}

}  // namespace sentinel
