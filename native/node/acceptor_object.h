// The accept thread as a JavaScript object. lib/binding/addon.ts has its type.

#ifndef SENTINEL_NODE_ACCEPTOR_OBJECT_H_
#define SENTINEL_NODE_ACCEPTOR_OBJECT_H_

#include "node/script.h"

namespace sentinel {

void DefineAcceptor(Value exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_ACCEPTOR_OBJECT_H_
