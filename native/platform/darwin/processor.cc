// macOS has no affinity of threads, and getrusage(2) counts preemptions for the whole process only. Compiled, never
// run.

#include "platform/platform.h"

namespace sentinel {

bool HasOneProcessor() { return false; }

std::int64_t InvoluntarySwitches() { return 0; }

}  // namespace sentinel
