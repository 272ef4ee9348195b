// The entry point of the addon: defines its exports, and cleans up when the environment ends. Only
// node/ knows Node-API: its files check arguments, convert, call the layers below and throw.
// lib/binding/addon.ts has the types of the exports.

#include <memory>

#include "node/abi.h"
#include "node/acceptor_object.h"
#include "node/datagrams.h"
#include "node/environment.h"
#include "node/event_loop.h"
#include "node/files.h"
#include "node/frames.h"
#include "node/peers.h"
#include "node/reading.h"
#include "node/script.h"

namespace sentinel {
namespace {

// Threads are stopped here and not by finalizers, which run in no particular order at the end of an environment.
// On the main thread this does not run on process.exit(): threads then end with the process.
void EndEnvironment(void* data) {
  auto* environment = static_cast<Environment*>(data);
  for (EnvironmentMember* member : environment->members) member->EnvironmentEnds();
  environment->members.clear();
  environment->connected.CloseAll();
  environment->handed.Reclaim();
  environment->files->Close();
}

void DeleteEnvironment(napi_env /*env*/, void* data, void* /*hint*/) { delete static_cast<Environment*>(data); }

void Init(Value exports) {
  const napi_env env = exports.env();
  auto environment = std::make_unique<Environment>();
  environment->watches_readiness = kWatchesReadiness && HasEventLoop(env);
  napi_add_env_cleanup_hook(env, EndEnvironment, environment.get());
  // Deleted after the hook has run.
  if (napi_set_instance_data(env, environment.get(), DeleteEnvironment, nullptr) != napi_ok) {
    napi_remove_env_cleanup_hook(env, EndEnvironment, environment.get());
    return;
  }
  environment.release();  // NOLINT(bugprone-unused-return-value): Node-API owns it now
  DefineAbi(exports);
  DefineAcceptor(exports);
  DefineDatagrams(exports);
  DefineFiles(exports);
  DefineFrames(exports);
  DefinePeers(exports);
  if (Environment::Of(env).watches_readiness) DefineReadiness(exports);
  DefineReading(exports);
}

}  // namespace
}  // namespace sentinel

NAPI_MODULE_INIT() {
  sentinel::Init({env, exports});
  return exports;
}
