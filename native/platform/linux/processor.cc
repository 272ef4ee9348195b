// How often the scheduler preempted this thread on Linux.

#include <sys/resource.h>

#include "platform/platform.h"

namespace sentinel {

std::int64_t InvoluntarySwitches() {
  rusage usage{};
  return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

}  // namespace sentinel
