// Units of systemd in the control groups of a process (proc(5), /proc/PID/cgroup). Must not know processes.

#ifndef SENTINEL_LINUX_CONTROL_GROUP_H_
#define SENTINEL_LINUX_CONTROL_GROUP_H_

#include <string>

namespace sentinel {

// Returns the system unit of a process, given the text of its /proc/PID/cgroup; empty if it belongs to none. The
// unit is the first component of the path that is not a slice, as in systemd (cg_path_get_unit). If the subtree was
// delegated, the unit itself can choose the components that follow, so they prove nothing.
std::string UnitOfControlGroups(const std::string& text);

}  // namespace sentinel

#endif  // SENTINEL_LINUX_CONTROL_GROUP_H_
