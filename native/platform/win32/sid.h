// Security identifiers: of tokens, of accounts, and as text. Must not know pipes.

#ifndef SENTINEL_WIN32_SID_H_
#define SENTINEL_WIN32_SID_H_

#include <string>

#include "platform/win32/system.h"

namespace sentinel {

// S-1-5-…, in its one normal spelling.
Result<std::string> SidText(PSID sid);

// The user of the primary token of a process.
Result<std::string> UserOfProcess(HANDLE process);

}  // namespace sentinel

#endif  // SENTINEL_WIN32_SID_H_
