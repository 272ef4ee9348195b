// Readiness of connected descriptors as JavaScript calls and callbacks. lib/binding/addon.ts has the types.

#ifndef SENTINEL_NODE_EVENT_LOOP_H_
#define SENTINEL_NODE_EVENT_LOOP_H_

#include "node/script.h"

namespace sentinel {

// Whether the program that loaded the addon has a libuv event loop with all the functions that readiness needs.
bool HasEventLoop(napi_env env);

void DefineReadiness(Value exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_EVENT_LOOP_H_
