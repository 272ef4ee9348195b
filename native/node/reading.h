// Reading and checking lines as JavaScript calls, one a read. lib/binding/addon.ts has the types.

#ifndef SENTINEL_NODE_READING_H_
#define SENTINEL_NODE_READING_H_

#include <cstddef>
#include <cstdint>

#include "node/environment.h"
#include "node/script.h"

namespace sentinel {

struct RecordsRead {
  // kNothing: nothing has arrived, and nothing else has happened. kFull: as many bytes came as were asked for.
  enum class Outcome { kNothing, kRead, kFull };
  std::int32_t records = 0;  // their number, or RecordCount::kNoRoom
  Outcome outcome = Outcome::kRead;
};

// Reads at most about `most` bytes from a connected descriptor, and sets FrameProgress.
RecordsRead ReadRecords(Environment& environment, std::size_t stream, std::size_t most);

// Begins a turn of the event loop.
void BeginTurn(Environment& environment);
// Whether reading has to wait for another turn.
bool MustWait(const Environment& environment);

void DefineReading(Value exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_READING_H_
