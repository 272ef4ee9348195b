// Datagrams as a JavaScript call. See lib/binding/addon.ts for the types.

#ifndef SENTINEL_NODE_DATAGRAMS_H_
#define SENTINEL_NODE_DATAGRAMS_H_

#include "node/script.h"

namespace sentinel {

void DefineDatagrams(Value exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_DATAGRAMS_H_
