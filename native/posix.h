// What posix.cc asks of the one file that knows the particular POSIX system (linux.cc). Internal to the platform.

#ifndef SENTINEL_POSIX_H_
#define SENTINEL_POSIX_H_

#include "platform.h"

namespace sentinel {

// A stream socket of AF_UNIX that does not block and does not survive exec. On failure invalid, errno set.
OwnedDescriptor CreateSocket();

// accept(2) with the same properties. On failure invalid, errno set.
OwnedDescriptor AcceptClient(Descriptor listening);

}  // namespace sentinel

#endif  // SENTINEL_POSIX_H_
