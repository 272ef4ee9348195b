// Decides whether an identity may pass: a pure function of identity and policy, default deny.
// Must not know sockets, threads or Node-API.

#ifndef SENTINEL_PEER_POLICY_H_
#define SENTINEL_PEER_POLICY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "platform/platform.h"

namespace sentinel {

// Whom to let in. A peer passes when its user is listed, or its group or one of its supplementary groups; and then
// only if its executable and its label are listed too, where such lists are given. An empty policy lets nobody in.
struct PeerPolicy {
  std::vector<std::uint32_t> users;
  std::vector<std::uint32_t> groups;
  std::vector<std::string> executables;   // empty: any
  std::vector<std::string> labels;        // empty: any
  std::vector<std::string> security_ids;  // of users, where the system has such
};

// The rule that decided.
enum class Verdict : std::uint8_t {
  kAdmitted = 0,
  kIdentityUnreadable,  // the kernel would not say who the peer is
  kNoUser,              // the identity carries no user
  kUnmappedUser,        // the user exists in another user namespace only
  kForeignProcess,      // process id 0: the peer lives in another pid namespace
  kNotListed,           // neither user nor group is in the policy
  kExecutableUnknown,   // the policy asks for one, and it cannot be read
  kExecutableNotListed,
  kLabelUnknown,  // the same for the label
  kLabelNotListed,
  kTooManyConnections,  // admitted by the policy, but the listener has all the connections it may have
  kTooManyOfUser,       // the same for the connections of this user
  kTooFast,             // the user makes more new connections a second than it may
};

// A short stable name of the verdict, as it is shown to people.
const char* VerdictName(Verdict verdict);

// Judges user and groups.
Verdict Judge(const PeerIdentity& peer, const PeerPolicy& policy, const UnmappedIds& unmapped);

// Judges executable and label of a peer that Judge admits.
Verdict JudgeDetails(const PeerIdentity& peer, const PeerPolicy& policy);

}  // namespace sentinel

#endif  // SENTINEL_PEER_POLICY_H_
