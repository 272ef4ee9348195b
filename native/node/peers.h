// Dialling, identities and the end of peers' processes as JavaScript calls. lib/binding/addon.ts has the types.

#ifndef SENTINEL_NODE_PEERS_H_
#define SENTINEL_NODE_PEERS_H_

#include "node/script.h"

namespace sentinel {

void DefinePeers(Value exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_PEERS_H_
