// Identifies the peer of a pipe by the user of its process, read while a handle keeps the process id from being
// reused. The dialling side also checks who owns the pipe.

#include <aclapi.h>

#include <string>
#include <vector>

#include "platform/win32/sid.h"
#include "platform/win32/system.h"

namespace sentinel {
namespace {

constexpr std::size_t kMostPathUnits = 32768;

struct OtherEnd {
  DWORD process_id = 0;
  bool is_server = false;
};

Result<OtherEnd> FindOtherEnd(HANDLE pipe) {
  DWORD flags = 0;
  if (GetNamedPipeInfo(pipe, &flags, nullptr, nullptr, nullptr) == 0) {
    return WindowsFailure(FailureKind::kPeerUnknown, "GetNamedPipeInfo", GetLastError());
  }
  OtherEnd other;
  other.is_server = (flags & PIPE_SERVER_END) == 0;
  ULONG process_id = 0;
  if (other.is_server) {
    if (GetNamedPipeServerProcessId(pipe, &process_id) == 0) {
      return WindowsFailure(FailureKind::kPeerUnknown, "GetNamedPipeServerProcessId", GetLastError());
    }
  } else if (GetNamedPipeClientProcessId(pipe, &process_id) == 0) {
    return WindowsFailure(FailureKind::kPeerUnknown, "GetNamedPipeClientProcessId", GetLastError());
  }
  other.process_id = process_id;
  return other;
}

Result<OwnedDescriptor> HoldProcess(DWORD process_id) {
  OwnedDescriptor process = Own(OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE, process_id));
  if (process.valid()) return process;
  const DWORD code = GetLastError();
  Failure failure = WindowsFailure("OpenProcess", code, "process " + std::to_string(process_id));
  if (failure.kind != FailureKind::kExhausted) failure.kind = FailureKind::kPeerUnknown;
  return failure;
}

// Windows reports the process id of the server that created the first instance. So the owner of the pipe object is
// checked too: it can only be a user that its creator may act for.
Status CheckOwner(HANDLE pipe, const std::string& security_id) {
  PSID owner = nullptr;
  PSECURITY_DESCRIPTOR descriptor = nullptr;
  const DWORD code = GetSecurityInfo(pipe, SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION, &owner, nullptr, nullptr,
                                     nullptr, &descriptor);
  if (code != ERROR_SUCCESS) return WindowsFailure(FailureKind::kPeerUnknown, "GetSecurityInfo", code);
  const LocalMemory<void> owned(descriptor);
  if (owner == nullptr) {
    return Failure{FailureKind::kPeerUnknown, 0, "GetSecurityInfo", "the pipe has no owner"};
  }
  Result<std::string> text = SidText(owner);
  if (!text.ok()) return text.failure();
  if (text.value() == security_id) return Done{};
  return Failure{FailureKind::kPeerUnknown, 0, "GetSecurityInfo",
                 "the pipe belongs to " + text.value() + ", but its process to " + security_id};
}

// Returns "" if it may not be read.
std::string ReadExecutable(HANDLE process) {
  std::vector<wchar_t> path(kMostPathUnits);
  DWORD size = kMostPathUnits;
  if (QueryFullProcessImageNameW(process, 0, path.data(), &size) == 0) return {};
  return ToNarrow(path.data());
}

}  // namespace

Result<PeerIdentity> ReadPeerIdentity(Descriptor connected) {
  Result<OtherEnd> other = FindOtherEnd(Handle(connected));
  if (!other.ok()) return other.failure();
  Result<OwnedDescriptor> process = HoldProcess(other.value().process_id);
  if (!process.ok()) return process.failure();
  Result<std::string> security_id = UserOfProcess(Handle(process.value().get()));
  if (!security_id.ok()) {
    Failure failure = security_id.failure();
    failure.kind = FailureKind::kPeerUnknown;
    return failure;
  }
  if (other.value().is_server) {
    if (Status status = CheckOwner(Handle(connected), security_id.value()); !status.ok()) return status.failure();
  }
  PeerIdentity peer;
  peer.process_id = other.value().process_id;
  peer.security_id = std::move(security_id.value());
  // Here and not in ReadPeerDetails, because only here a handle keeps the process id from being reused.
  peer.executable = ReadExecutable(Handle(process.value().get()));
  return peer;
}

void ReadPeerDetails(Descriptor /*connected*/, PeerIdentity& /*peer*/) {}

Result<OwnedDescriptor> OpenPeerProcess(Descriptor connected) {
  Result<OtherEnd> other = FindOtherEnd(Handle(connected));
  if (!other.ok()) return other.failure();
  return HoldProcess(other.value().process_id);
}

}  // namespace sentinel
