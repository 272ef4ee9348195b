// Reads the connections of an environment that are ready, each in its turn, and calls JavaScript once a read.

#ifndef SENTINEL_NODE_READY_READER_H_
#define SENTINEL_NODE_READY_READER_H_

#include <cstddef>
#include <cstdint>

#include "node/environment.h"
#include "node/script.h"

namespace sentinel {

class ReadyReader {
 public:
  // on_ready(descriptor, records): see NativeReadiness.start in lib/binding/addon.ts
  ReadyReader(Environment& environment, Value on_ready)
      : environment_(environment), on_ready_(on_ready, "sentinel-ipc") {}

  // Reads all that are ready.
  void ReadReady();
  // Reads the one that was alone in being ready last time. False: nothing has arrived on it, it is not waited for
  // any more, or it has been read so often that the others must have a turn first, by ReadReady.
  bool ReadAlone();

 private:
  enum class Outcome { kNothing, kRead, kFull, kEnvironmentEnds };

  Outcome Read(Descriptor descriptor, std::size_t most);
  bool Call(Descriptor descriptor, std::int32_t records) const;

  Environment& environment_;
  const Callback on_ready_;
  Descriptor alone_ = Descriptor::kNone;
  int alone_turns_ = 0;
};

}  // namespace sentinel

#endif  // SENTINEL_NODE_READY_READER_H_
