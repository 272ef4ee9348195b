// Creates pipes that only the listed users can open. Must not know who listens or waits on them.

#ifndef SENTINEL_WIN32_PIPE_H_
#define SENTINEL_WIN32_PIPE_H_

#include <memory>
#include <string>
#include <vector>

#include "platform/win32/system.h"

namespace sentinel {

// The security attributes for CreateNamedPipe.
class PipeSecurity {
 public:
  // Full control for this process's user, who is also the owner; reading and writing for the listed users. No
  // access for anyone else, and nothing is inherited.
  static Result<PipeSecurity> For(const std::vector<std::string>& others);
  SECURITY_ATTRIBUTES* attributes() { return &attributes_; }

 private:
  explicit PipeSecurity(PSECURITY_DESCRIPTOR descriptor) : descriptor_(descriptor) {
    attributes_.nLength = sizeof(attributes_);
    attributes_.lpSecurityDescriptor = descriptor;
    attributes_.bInheritHandle = FALSE;
  }
  LocalMemory<void> descriptor_;
  SECURITY_ATTRIBUTES attributes_{};
};

struct PipeRequest {
  std::wstring name;
  bool first = false;    // fail if a pipe of that name exists
  bool inbound = false;  // one way, to the server
  DWORD most_instances = PIPE_UNLIMITED_INSTANCES;
};

// Creates the server end of a new instance, for overlapped use, in byte mode, closed to other machines. On failure
// it is invalid and GetLastError() is set.
OwnedDescriptor CreateInstance(const PipeRequest& request, PipeSecurity& security);

// Opens the client end for overlapped use. The server can identify this user but not impersonate it. On failure the
// result is invalid and GetLastError() is set.
OwnedDescriptor OpenClientEnd(const std::wstring& name, DWORD access);

}  // namespace sentinel

#endif  // SENTINEL_WIN32_PIPE_H_
