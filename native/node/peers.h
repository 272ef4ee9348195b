// Dialling, identities and the end of peers' processes as JavaScript calls. See lib/binding/addon.ts for the types.

#ifndef SENTINEL_NODE_PEERS_H_
#define SENTINEL_NODE_PEERS_H_

#include <napi.h>

namespace sentinel {

void DefinePeers(Napi::Env env, Napi::Object exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_PEERS_H_
