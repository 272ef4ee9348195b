#include "platform/win32/pipe.h"

#include <sddl.h>

namespace sentinel {
namespace {

constexpr DWORD kBufferBytes = 1 << 17;
// A client's rights to read and write, without FILE_APPEND_DATA, which on a pipe is the right to create instances.
constexpr const char* kClientRights = "0x0012019b";

}  // namespace

Result<PipeSecurity> PipeSecurity::For(const std::vector<std::string>& others) {
  Result<std::string> own = OwnSecurityId();
  if (!own.ok()) return own.failure();
  // The owner is set explicitly, because by default objects created by an administrator belong to the
  // Administrators group. P: protected, so nothing is inherited.
  std::string text = "O:" + own.value() + "D:P(A;;FA;;;" + own.value() + ")";
  for (const std::string& other : others) {
    if (other != own.value()) text.append("(A;;").append(kClientRights).append(";;;").append(other).append(")");
  }
  PSECURITY_DESCRIPTOR descriptor = nullptr;
  if (ConvertStringSecurityDescriptorToSecurityDescriptorW(ToWide(text).c_str(), SDDL_REVISION_1, &descriptor,
                                                           nullptr) == 0) {
    return WindowsFailure("ConvertStringSecurityDescriptorToSecurityDescriptor", GetLastError(), text);
  }
  return PipeSecurity(descriptor);
}

OwnedDescriptor CreateInstance(const PipeRequest& request, PipeSecurity& security) {
  DWORD open_mode = FILE_FLAG_OVERLAPPED | (request.inbound ? PIPE_ACCESS_INBOUND : PIPE_ACCESS_DUPLEX);
  if (request.first) open_mode |= FILE_FLAG_FIRST_PIPE_INSTANCE;
  return Own(CreateNamedPipeW(request.name.c_str(), open_mode,
                              PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
                              request.most_instances, kBufferBytes, kBufferBytes, 0, security.attributes()));
}

OwnedDescriptor OpenClientEnd(const std::wstring& name, DWORD access) {
  return Own(CreateFileW(name.c_str(), access, 0, nullptr, OPEN_EXISTING,
                         FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, nullptr));
}

}  // namespace sentinel
