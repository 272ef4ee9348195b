// Socket functions that the files of posix/ share, and the functions that they need from
// linux/system.cc or darwin/system.cc. Internal to the platform.

#ifndef SENTINEL_POSIX_H_
#define SENTINEL_POSIX_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "platform/platform.h"
#include "platform/posix/safe_path.h"

namespace sentinel {

// Implemented by linux/system.cc and darwin/system.cc.

// Flags that keep send(2) from waiting and from raising SIGPIPE. If no flag suppresses the signal, an option of the
// sockets made by the following functions does.
extern const int kSendFlags;

// Creates a non-blocking, close-on-exec AF_UNIX stream socket. On failure it is invalid and errno is set.
OwnedDescriptor CreateSocket();

// The same for an AF_UNIX datagram socket.
OwnedDescriptor CreateDatagramSocket();

// accept(2) with the same properties. On failure the result is invalid and errno is set.
OwnedDescriptor AcceptClient(Descriptor listening);

// socketpair(2) with the same properties. Returns false on failure, with errno set.
bool CreateSocketPair(OwnedDescriptor& one, OwnedDescriptor& other);

// Binds so that the socket file at `path` is never accessible to another user, not even for a
// moment, regardless of the umask.
Status BindPrivately(Descriptor socket, const std::string& path);

// A file as it was inspected, and a path that leads to this file, whatever its name refers to later.
struct PinnedFile {
  FileFacts facts;
  OwnedDescriptor descriptor;
  std::string path;  // '' where the system has none; Linux: valid while the descriptor is open, if /proc is mounted
};

// Inspects the file `name` in an open directory; links are not followed. kSystem with ENOENT if there is none.
Result<PinnedFile> PinAt(int directory, const std::string& name);

// Implemented by unix_socket.cc.

// How long a thread pauses after a wait that failed, most likely for lack of memory, so that it does not spin.
constexpr int kFailurePauseMs = 50;

// The address of a path. kPathTooLong, never a part of the path, if it does not fit.
Result<sockaddr_un> SocketAddress(const std::string& path);
const sockaddr* Generic(const sockaddr_un& address);

// The failure of `operation` with errno: kExhausted if descriptors or memory have run out.
Failure SocketFailure(const char* operation, std::string detail = {});

// bind(2). kAddressInUse if a file exists at `path` already.
Status BindAt(Descriptor socket, const std::string& path);

}  // namespace sentinel

#endif  // SENTINEL_POSIX_H_
