// On macOS, getrusage(2) counts preemptions for the whole process only. Compiled, never run.

#include "platform/platform.h"

namespace sentinel {

std::int64_t InvoluntarySwitches() { return 0; }

}  // namespace sentinel
