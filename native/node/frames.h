// Laying out, checking and writing frames as JavaScript calls, one a batch. lib/binding/addon.ts has the types.

#ifndef SENTINEL_NODE_FRAMES_H_
#define SENTINEL_NODE_FRAMES_H_

#include "node/script.h"

namespace sentinel {

void DefineFrames(Value exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_FRAMES_H_
