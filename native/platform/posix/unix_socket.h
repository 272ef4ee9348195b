// What unix_socket.cc needs of the system (linux/system.cc, darwin/system.cc), and the little it gives them.
// Internal to the platform.

#ifndef SENTINEL_POSIX_H_
#define SENTINEL_POSIX_H_

#include <string>

#include "platform/platform.h"

namespace sentinel {

// Needed of the system.

// What send(2) takes so that it neither waits nor raises SIGPIPE. Where no flag does that for the signal, the
// sockets that the following functions make do.
extern const int kSendFlags;

// A stream socket of AF_UNIX that does not block and does not survive exec. On failure invalid, errno set.
OwnedDescriptor CreateSocket();

// accept(2) with the same properties. On failure invalid, errno set.
OwnedDescriptor AcceptClient(Descriptor listening);

// socketpair(2) with the same properties. On failure false, errno set.
bool CreateSocketPair(OwnedDescriptor& one, OwnedDescriptor& other);

// Binds so that the socket file at `path` is at no instant open to any other user, whatever the umask.
Status BindPrivately(Descriptor socket, const std::string& path);

// Given by unix_socket.cc.

// bind(2). kAddressInUse when something stands at `path` already.
Status BindAt(Descriptor socket, const std::string& path);

}  // namespace sentinel

#endif  // SENTINEL_POSIX_H_
