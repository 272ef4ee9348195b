// Reading and checking lines as JavaScript calls, one a read. See lib/binding/addon.ts for the types.

#ifndef SENTINEL_NODE_READING_H_
#define SENTINEL_NODE_READING_H_

#include <napi.h>

#include <cstddef>
#include <cstdint>

#include "node/environment.h"

namespace sentinel {

// Bytes that a read takes, unless an unfinished line leaves no room for them. With room for the beginning of a line
// it is less than what C libraries ask the system for, and give back, each time (128 KiB).
constexpr std::size_t kReadBytes = std::size_t{112} << 10;

struct RecordsRead {
  double records = 0;    // their number; negative when a larger window must be attached first
  bool full = false;     // as many bytes came as were asked for
  bool nothing = false;  // nothing has arrived, and nothing else has happened
};

// Reads what has arrived on a connected descriptor. `progress` says more.
RecordsRead ReadRecords(Environment& environment, std::size_t stream, std::size_t most);

void DefineReading(Napi::Env env, Napi::Object exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_READING_H_
