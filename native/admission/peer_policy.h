// Decides whether an identity may pass: a pure function of identity and policy, default deny.
// Must not know sockets, threads or Node-API.

#ifndef SENTINEL_PEER_POLICY_H_
#define SENTINEL_PEER_POLICY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "platform/platform.h"

namespace sentinel {

// Which peers to admit. A peer passes when its user is listed, or its group or one of its supplementary groups; and
// then only if its executable, its unit and its label are listed too, where such lists are given. An empty policy
// admits none.
struct PeerPolicy {
  std::vector<std::uint32_t> users;
  std::vector<std::uint32_t> groups;
  std::vector<std::string> executables;   // empty: any
  std::vector<std::string> units;         // of systemd; empty: any
  std::vector<std::string> labels;        // empty: any
  std::vector<std::string> security_ids;  // of users, on Windows
  // Whether peers of other pid namespaces (containers) pass, by user and group like any other. Their process has no
  // id here.
  bool foreign_namespaces = false;
};

// The rule that decided.
enum class Verdict : std::uint8_t {
  kAdmitted = 0,
  kIdentityUnreadable,  // the kernel did not report who the peer is
  kNoUser,              // the identity carries no user
  kUnmappedUser,        // the user exists in another user namespace only
  kForeignProcess,      // process id 0: the peer is in another pid namespace, and the policy does not allow that
  kNotListed,           // neither user nor group is in the policy
  kExecutableUnknown,   // the policy lists executables, and the peer's cannot be read
  kExecutableNotListed,
  kUnitUnknown,  // the policy lists units, and the peer belongs to none that can be read
  kUnitNotListed,
  kLabelUnknown,  // the policy lists labels, and the peer has none
  kLabelNotListed,
  // Admitted by the policy, but beyond a limit of the listener:
  kTooManyConnections,  // limit on open connections
  kTooManyOfUser,       // limit on open connections of one user
  kTooFast,             // limit on new connections of one user in any second
};

// A short stable name of the verdict, which users see as `reason`. Empty for a number that is not a verdict.
const char* VerdictName(Verdict verdict);

// Judges user and groups.
Verdict Judge(const PeerIdentity& peer, const PeerPolicy& policy, const UnmappedIds& unmapped);

// Judges executable, unit and label of a peer that Judge admits.
Verdict JudgeDetails(const PeerIdentity& peer, const PeerPolicy& policy);

}  // namespace sentinel

#endif  // SENTINEL_PEER_POLICY_H_
