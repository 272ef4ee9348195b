// Reads the ready connections of an environment in turn, and calls JavaScript once per read.

#ifndef SENTINEL_NODE_READY_READER_H_
#define SENTINEL_NODE_READY_READER_H_

#include <cstddef>
#include <cstdint>

#include "node/environment.h"
#include "node/script.h"
#include "readiness/read_rounds.h"

namespace sentinel {

class ReadyReader {
 public:
  // on_ready(descriptor, records): see NativeReadiness.start in lib/binding/addon.ts
  ReadyReader(Environment& environment, Value on_ready)
      : environment_(environment), on_ready_(on_ready, "sentinel-ipc") {}

  // Call once in each iteration of the event loop, before it looks for what is ready.
  void BeginTurn();
  // Call when the event loop has found that some are ready. Reads them, as far as this turn of the event loop goes,
  // and the rest in the next turns.
  void ReadReady();
  // Reads the connection that was the only ready one last time. Returns false if nothing has arrived on it, if it
  // is no longer waited for, or if it was read so often that ReadReady must give the others a turn first.
  bool ReadAlone();

 private:
  enum class Outcome { kNothing, kRead, kFull, kEnvironmentEnds };

  Outcome Read(Descriptor descriptor, std::size_t most);
  bool Call(Descriptor descriptor, std::int32_t records) const;

  Environment& environment_;
  const Callback on_ready_;
  Descriptor alone_ = Descriptor::kNone;
  int alone_turns_ = 0;
  ReadRounds rounds_;
  std::size_t next_ = 0;  // of the connections that were ready: the first that has not been read
};

}  // namespace sentinel

#endif  // SENTINEL_NODE_READY_READER_H_
