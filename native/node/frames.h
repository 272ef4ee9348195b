// Laying out, checking and writing frames as JavaScript calls, one a batch. See lib/binding/addon.ts for the types.

#ifndef SENTINEL_NODE_FRAMES_H_
#define SENTINEL_NODE_FRAMES_H_

#include <napi.h>

namespace sentinel {

void DefineFrames(Napi::Env env, Napi::Object exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_FRAMES_H_
