// What has arrived on connected descriptors, told to JavaScript. See lib/binding/addon.ts for the types.

#ifndef SENTINEL_NODE_READINESS_H_
#define SENTINEL_NODE_READINESS_H_

#include <napi.h>

namespace sentinel {

void DefineReadiness(Napi::Env env, Napi::Object exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_READINESS_H_
