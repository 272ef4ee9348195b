// Private directories and the files in them as JavaScript calls. See lib/binding/addon.ts for the types.

#ifndef SENTINEL_NODE_FILES_H_
#define SENTINEL_NODE_FILES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>

#include "node/script.h"
#include "platform/platform.h"

namespace sentinel {

// The directories and files that one environment has open. They are closed when it ends, and their claims end with
// them. By then Node has waited for all calls in flight.
struct OpenFiles {
  std::map<std::uint32_t, std::shared_ptr<FileDirectory>> directories;
  std::set<int> files;
  std::uint32_t last_id = 0;

  void Close() {
    for (const int number : files) CloseLoopNumber(number);
    files.clear();
    directories.clear();
  }
};

void DefineFiles(Value exports);

}  // namespace sentinel

#endif  // SENTINEL_NODE_FILES_H_
