// The entry of the addon: what it exports, and its end with the environment. Only this file and node_*.cc know
// Node-API: they check arguments, convert, call the core and throw. lib/binding/addon.ts types what they export.

#include <napi.h>

#include <memory>

#include "node/acceptor_object.h"
#include "node/environment.h"
#include "node/event_loop.h"
#include "node/files.h"
#include "node/frames.h"
#include "node/peers.h"
#include "node/reading.h"

namespace sentinel {
namespace {

// Threads are stopped here and not by finalizers, whose order at the end of an environment is not ours to choose.
// For the main thread this does not run on process.exit(): a thread of ours then ends with the process.
void EndEnvironment(void* data) {
  auto* environment = static_cast<Environment*>(data);
  for (EnvironmentMember* member : environment->members) member->EnvironmentEnds();
  environment->members.clear();
  environment->connected.CloseAll();
  environment->handed.Reclaim();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto environment = std::make_unique<Environment>();
  napi_add_env_cleanup_hook(env, EndEnvironment, environment.get());
  env.SetInstanceData(environment.release());  // deleted by Node-API, after the hook has run
  DefineAcceptor(env, exports);
  DefineFiles(env, exports);
  DefineFrames(env, exports);
  DefinePeers(env, exports);
  DefineReadiness(env, exports);
  DefineReading(env, exports);
  return exports;
}

}  // namespace
}  // namespace sentinel

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) { return sentinel::Init(env, exports); }
NODE_API_MODULE(sentinel_ipc, InitAddon)
