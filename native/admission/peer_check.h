// Decides whether to admit the peer of a connected descriptor. Reads its identity and judges user
// and group. Only if these pass, reads and judges the details, which takes longer. The accept
// thread and the dialling side both decide here. Must not know Node-API, threads or quotas.

#ifndef SENTINEL_PEER_CHECK_H_
#define SENTINEL_PEER_CHECK_H_

#include <functional>

#include "admission/peer_policy.h"
#include "platform/platform.h"

namespace sentinel {

// The criteria a peer is judged by.
struct PeerRules {
  PeerPolicy policy;
  UnmappedIds unmapped;
};

struct CheckedPeer {
  PeerIdentity peer;
  Verdict verdict = Verdict::kNotListed;
};

// Called for a peer whose user or group the policy admits, before the details are read: a limit on
// new connections belongs here, so that it is charged only to users that the policy lists, and
// saves the cost of reading the details.
using BeforeDetails = std::function<Verdict(const PeerIdentity& peer)>;

// `before_details` may be empty. Fails if the identity cannot be read; the caller must then refuse
// the peer.
Result<CheckedPeer> CheckPeer(Descriptor connected, const PeerRules& rules, const BeforeDetails& before_details);

}  // namespace sentinel

#endif  // SENTINEL_PEER_CHECK_H_
