#include "platform/linux/control_group.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace sentinel {
namespace {

constexpr std::string_view kSlice = ".slice";
// The unit types that can have processes.
constexpr std::array<std::string_view, 5> kKinds = {".service", ".scope", ".socket", ".mount", ".swap"};

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() > end.size() && text.substr(text.size() - end.size()) == end;
}

bool IsUnit(std::string_view name) {
  for (const std::string_view kind : kKinds) {
    if (EndsWith(name, kind)) return true;
  }
  return false;
}

std::string UnitOfPath(std::string_view path) {
  while (!path.empty() && path.front() == '/') {
    path.remove_prefix(1);
    std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(name.size());
    if (EndsWith(name, kSlice)) continue;
    // systemd escapes names that are reserved in the control group file system.
    if (!name.empty() && name.front() == '_') name.remove_prefix(1);
    return IsUnit(name) ? std::string(name) : std::string();
  }
  return {};
}

// Takes the next part off `rest`, up to the separator, or all of it.
std::string_view TakePart(std::string_view& rest, char separator) {
  const std::string_view part = rest.substr(0, rest.find(separator));
  rest.remove_prefix(part.size() < rest.size() ? part.size() + 1 : part.size());
  return part;
}

}  // namespace

// One line per hierarchy, "number:controllers:path". systemd keeps its units in the unified hierarchy, number 0, or
// in its own hierarchy of version 1. If both exist, the latter counts.
std::string UnitOfControlGroups(const std::string& text) {
  std::string unit;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view path = TakePart(rest, '\n');
    const std::string_view number = TakePart(path, ':');
    const std::string_view controllers = TakePart(path, ':');
    if (controllers == "name=systemd") return UnitOfPath(path);
    if (number == "0" && controllers.empty()) unit = UnitOfPath(path);
  }
  return unit;
}

}  // namespace sentinel
