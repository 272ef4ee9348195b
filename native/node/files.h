// Private directories and the files in them as JavaScript calls. See lib/binding/addon.ts for the types.

#ifndef SENTINEL_NODE_FILES_H_
#define SENTINEL_NODE_FILES_H_

#include <node_api.h>

namespace sentinel {

void DefineFiles(napi_env env, napi_value exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_FILES_H_
