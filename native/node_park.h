// Parked descriptors as JavaScript calls. See lib/native.ts for the types.

#ifndef SENTINEL_NODE_PARK_H_
#define SENTINEL_NODE_PARK_H_

#include <napi.h>

namespace sentinel {

void DefinePark(Napi::Env env, Napi::Object exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_PARK_H_
