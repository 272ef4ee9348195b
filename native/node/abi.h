// The numbers of abi/abi.h as a JavaScript call, for the test that compares them with lib/binding/abi.ts.

#ifndef SENTINEL_NODE_ABI_H_
#define SENTINEL_NODE_ABI_H_

#include "node/script.h"

namespace sentinel {

void DefineAbi(Value exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_ABI_H_
