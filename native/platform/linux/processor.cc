// What the scheduler tells about this thread on Linux: where it may run, and how often it was preempted.

#include <sched.h>
#include <sys/resource.h>

#include "platform/platform.h"

namespace sentinel {

bool HasOneProcessor() {
  // Fails on machines with more processors than the set has room for: there are enough of them then.
  cpu_set_t allowed;
  return sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) == 1;
}

std::int64_t InvoluntarySwitches() {
  rusage usage{};
  return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

}  // namespace sentinel
