// Units of systemd in the control groups of a process (proc(5), /proc/PID/cgroup). Must not know processes.

#ifndef SENTINEL_LINUX_CONTROL_GROUP_H_
#define SENTINEL_LINUX_CONTROL_GROUP_H_

#include <string>

namespace sentinel {

// The system unit of a process, by the text of its /proc/PID/cgroup; empty if it belongs to none. It is the first
// component of the path that is not a slice, as systemd has it (cg_path_get_unit). What follows is of the unit's
// own making where the subtree was delegated to it, and so proves nothing.
std::string UnitOfControlGroups(const std::string& text);

}  // namespace sentinel

#endif  // SENTINEL_LINUX_CONTROL_GROUP_H_
