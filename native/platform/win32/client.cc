// Dials a named pipe, and explains why reading and writing are left to the event loop.

#include "platform/win32/system.h"

// Needs windows.h before it.
#include <winternl.h>

#include <optional>
#include <string>
#include <vector>

#include "platform/platform.h"
#include "platform/win32/pipe.h"

namespace sentinel {
namespace {

// The rights that a connection needs, and no more: FILE_APPEND_DATA, part of GENERIC_WRITE, would request the right
// to create instances. READ_CONTROL is needed to query the owner of the pipe.
constexpr DWORD kAccess =
    FILE_READ_DATA | FILE_WRITE_DATA | FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE;

// Declared by the headers of Visual C++ for drivers only (FILE_PIPE_LOCAL_INFORMATION, [MS-FSCC] 2.4.32).
constexpr int kPipeLocalInformation = 24;
constexpr ULONG kConnectedState = 3;
struct PipeLocalInformation {
  ULONG type;
  ULONG configuration;
  ULONG most_instances;
  ULONG instances;
  ULONG inbound_quota;
  ULONG read_available;
  ULONG outbound_quota;
  ULONG write_available;
  ULONG state;
  ULONG end;
};

// Reads and changes nothing.
std::optional<PipeLocalInformation> Inspect(Descriptor connected) {
  IO_STATUS_BLOCK answer{};
  PipeLocalInformation pipe{};
  const NTSTATUS status = NtQueryInformationFile(Handle(connected), &answer, &pipe, sizeof(pipe),
                                                 static_cast<FILE_INFORMATION_CLASS>(kPipeLocalInformation));
  if (status < 0) return std::nullopt;
  return pipe;
}

}  // namespace

Result<OwnedDescriptor> Connect(const std::string& path) {
  OwnedDescriptor pipe = OpenClientEnd(ToWide(path), kAccess);
  if (!pipe.valid()) {
    switch (const DWORD code = GetLastError()) {
      case ERROR_FILE_NOT_FOUND: return WindowsFailure(FailureKind::kNotListening, "CreateFile", code, path);
      case ERROR_PIPE_BUSY:  // no instance waits right now
        return WindowsFailure(FailureKind::kWouldBlock, "CreateFile", code, path);
      default: return WindowsFailure("CreateFile", code, path);
    }
  }
  if (GetFileType(Handle(pipe.get())) != FILE_TYPE_PIPE) {
    return Failure{FailureKind::kUnsafePath, 0, "CreateFile", path + " is not a pipe"};
  }
  return pipe;
}

// A pipe accepts a write whole or keeps it pending; no call writes only the part that fits. A pending write could
// be cancelled, but its result does not say how many bytes the reader has received, so sending the rest could tear
// a frame. The event loop writes the batch instead, also with one WriteFile, and waits for it to finish. If the
// peer has gone, the loop is not asked to write, because a failed write would make it discard the data still to be
// read.
Result<std::size_t> WriteBatch(Descriptor connected, const std::uint8_t* /*bytes*/, std::size_t /*size*/) {
  const std::optional<PipeLocalInformation> pipe = Inspect(connected);
  if (pipe.has_value() && pipe->state != kConnectedState) return WindowsFailure("WriteFile", ERROR_BROKEN_PIPE);
  return static_cast<std::size_t>(0);
}

std::vector<std::size_t> FindGone(const std::vector<Descriptor>& connected) {
  std::vector<std::size_t> gone;
  for (std::size_t i = 0; i < connected.size(); ++i) {
    if (connected[i] == Descriptor::kNone) continue;
    const std::optional<PipeLocalInformation> pipe = Inspect(connected[i]);
    if (pipe.has_value() && pipe->state != kConnectedState && pipe->read_available == 0) gone.push_back(i);
  }
  return gone;
}

const bool kWatchesReadiness = false;

Result<std::unique_ptr<ReadinessSet>> CreateReadinessSet() {
  return Failure{FailureKind::kNotSupported, 0, "", "pipes have no readiness to wait for"};
}

// The event loop always has its own read pending.
Result<std::size_t> ReadNow(Descriptor /*connected*/, std::uint8_t* /*bytes*/, std::size_t /*size*/) {
  return Failure{FailureKind::kNotSupported, 0, "", {}};
}

bool ReadableNow(Descriptor /*descriptor*/) { return true; }

void RestProcessor() {}

}  // namespace sentinel
