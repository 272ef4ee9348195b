// The accept thread as a JavaScript object. See lib/binding/addon.ts for its type.

#ifndef SENTINEL_NODE_ACCEPTOR_H_
#define SENTINEL_NODE_ACCEPTOR_H_

#include <napi.h>

namespace sentinel {

void DefineAcceptor(Napi::Env env, Napi::Object exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_ACCEPTOR_H_
