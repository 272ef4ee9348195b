// Identifies the peer of a Unix domain socket on macOS (LOCAL_PEERCRED, LOCAL_PEERPID; unix(4)). macOS has no
// handle that pins a process, so neither the executable nor a watch on the peer's end is supported. Compiled, never
// run.

#include <sys/socket.h>
#include <sys/ucred.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "platform/platform.h"

namespace sentinel {
namespace {

int Number(Descriptor descriptor) { return static_cast<int>(descriptor); }

}  // namespace

Result<PeerIdentity> ReadPeerIdentity(Descriptor connected) {
  xucred credentials{};
  socklen_t size = sizeof(credentials);
  if (getsockopt(Number(connected), SOL_LOCAL, LOCAL_PEERCRED, &credentials, &size) != 0) {
    return Failure{FailureKind::kPeerUnknown, errno, "getsockopt LOCAL_PEERCRED", {}};
  }
  if (size != sizeof(credentials) || credentials.cr_version != XUCRED_VERSION || credentials.cr_ngroups < 1 ||
      credentials.cr_ngroups > NGROUPS || credentials.cr_uid == static_cast<uid_t>(-1)) {
    return Failure{FailureKind::kPeerUnknown, 0, "getsockopt LOCAL_PEERCRED", "the kernel has no credentials"};
  }
  PeerIdentity peer;
  peer.user_id = credentials.cr_uid;
  peer.group_id = credentials.cr_groups[0];
  // macOS reports at most 15 of them: a member of more groups may be refused, but is never wrongly admitted.
  peer.groups.assign(credentials.cr_groups + 1, credentials.cr_groups + credentials.cr_ngroups);
  pid_t process_id = 0;
  size = sizeof(process_id);
  // For logs only, so it stays 0 if the peer has gone already.
  if (getsockopt(Number(connected), SOL_LOCAL, LOCAL_PEERPID, &process_id, &size) == 0)
    peer.process_id = process_id;
  return peer;
}

void ReadPeerDetails(Descriptor /*connected*/, PeerIdentity& /*peer*/) {}

Result<OwnedDescriptor> OpenPeerProcess(Descriptor /*connected*/) {
  return Failure{FailureKind::kNotSupported, 0, "OpenPeerProcess", {}};
}

// macOS has no user namespaces; `nobody` and `nogroup` stand for unknown users and groups there.
UnmappedIds ReadUnmappedIds() { return {static_cast<std::uint32_t>(-2), static_cast<std::uint32_t>(-2)}; }

}  // namespace sentinel
