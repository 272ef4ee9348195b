#include "admission/peer_policy.h"

#include <algorithm>

namespace sentinel {
namespace {

template <typename T>
bool Contains(const std::vector<T>& listed, const T& value) {
  return std::find(listed.begin(), listed.end(), value) != listed.end();
}

}  // namespace

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAdmitted: return "admitted";
    case Verdict::kIdentityUnreadable: return "identity-unreadable";
    case Verdict::kNoUser: return "no-user";
    case Verdict::kUnmappedUser: return "unmapped-user";
    case Verdict::kForeignProcess: return "foreign-process";
    case Verdict::kNotListed: return "not-listed";
    case Verdict::kExecutableUnknown: return "executable-unknown";
    case Verdict::kExecutableNotListed: return "executable-not-listed";
    case Verdict::kUnitUnknown: return "unit-unknown";
    case Verdict::kUnitNotListed: return "unit-not-listed";
    case Verdict::kLabelUnknown: return "label-unknown";
    case Verdict::kLabelNotListed: return "label-not-listed";
    case Verdict::kTooFast: return "too-many-new-connections";
    case Verdict::kTooManyConnections: return "too-many-connections";
    case Verdict::kTooManyOfUser: return "too-many-connections-of-user";
  }
  return "";
}

Verdict Judge(const PeerIdentity& peer, const PeerPolicy& policy, const UnmappedIds& unmapped) {
  if (!peer.user_id.has_value() && peer.security_id.empty()) return Verdict::kNoUser;
  // These two come before the lists: an identity without meaning in this namespace must not match an id in a
  // policy.
  if (peer.user_id == unmapped.user) return Verdict::kUnmappedUser;
  if (peer.process_id <= 0 && !policy.foreign_namespaces) return Verdict::kForeignProcess;
  if (peer.user_id.has_value() && Contains(policy.users, *peer.user_id)) return Verdict::kAdmitted;
  if (!peer.security_id.empty() && Contains(policy.security_ids, peer.security_id)) return Verdict::kAdmitted;
  const auto admits = [&](std::uint32_t group) {
    return group != unmapped.group && Contains(policy.groups, group);
  };
  if (peer.group_id.has_value() && admits(*peer.group_id)) return Verdict::kAdmitted;
  if (std::any_of(peer.groups.begin(), peer.groups.end(), admits)) return Verdict::kAdmitted;
  return Verdict::kNotListed;
}

Verdict JudgeDetails(const PeerIdentity& peer, const PeerPolicy& policy) {
  if (!policy.executables.empty()) {
    if (peer.executable.empty()) return Verdict::kExecutableUnknown;
    if (!Contains(policy.executables, peer.executable)) return Verdict::kExecutableNotListed;
  }
  if (!policy.units.empty()) {
    if (peer.unit.empty()) return Verdict::kUnitUnknown;
    if (!Contains(policy.units, peer.unit)) return Verdict::kUnitNotListed;
  }
  if (!policy.labels.empty()) {
    if (peer.label.empty()) return Verdict::kLabelUnknown;
    if (!Contains(policy.labels, peer.label)) return Verdict::kLabelNotListed;
  }
  return Verdict::kAdmitted;
}

}  // namespace sentinel
