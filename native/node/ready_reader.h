// Reads the connections of an environment that are ready, each in its turn, and calls JavaScript once a read.

#ifndef SENTINEL_NODE_READY_READER_H_
#define SENTINEL_NODE_READY_READER_H_

#include <napi.h>

#include <cstddef>

#include "node/environment.h"

namespace sentinel {

class ReadyReader {
 public:
  // on_ready(descriptor, records): as lib/binding/addon.ts has it
  ReadyReader(Napi::Env env, Environment& environment, const Napi::Function& on_ready)
      : env_(env),
        environment_(environment),
        on_ready_(Napi::Persistent(on_ready)),
        context_(env, "sentinel-ipc") {}

  // All that are ready.
  void ReadReady();
  // The one that was alone in being ready last time. False: nothing has come on it, nobody wants it any more, or it
  // has been read so often that the others must have a turn first, by ReadReady.
  bool ReadAlone();

 private:
  enum class Outcome { kRead, kFull, kNothing, kGone };

  Outcome Read(Descriptor descriptor, std::size_t most);
  bool Call(Descriptor descriptor, double records);

  const Napi::Env env_;
  Environment& environment_;
  Napi::FunctionReference on_ready_;
  Napi::AsyncContext context_;
  Descriptor alone_ = Descriptor::kNone;
  int alone_turns_ = 0;
};

}  // namespace sentinel

#endif  // SENTINEL_NODE_READY_READER_H_
