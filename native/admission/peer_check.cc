#include "admission/peer_check.h"

#include <utility>

namespace sentinel {

Result<CheckedPeer> CheckPeer(Descriptor connected, const PeerRules& rules, const BeforeDetails& before_details) {
  Result<PeerIdentity> identity = ReadPeerIdentity(connected);
  if (!identity.ok()) return identity.failure();
  CheckedPeer checked{std::move(identity.value()), Verdict::kNotListed};
  checked.verdict = Judge(checked.peer, rules.policy, rules.unmapped);
  if (checked.verdict == Verdict::kAdmitted && before_details != nullptr) {
    checked.verdict = before_details(checked.peer);
  }
  if (checked.verdict == Verdict::kAdmitted) {
    ReadPeerDetails(connected, checked.peer);
    checked.verdict = JudgeDetails(checked.peer, rules.policy);
  }
  return checked;
}

}  // namespace sentinel
