// Dialling a named pipe, and why a batch is left to the event loop to write.

#include <string>

#include "platform.h"
#include "win32.h"
#include "win32_pipe.h"

namespace sentinel {
namespace {

// All that a connection needs, and no more: FILE_APPEND_DATA, part of GENERIC_WRITE, would ask for the right to
// make instances. READ_CONTROL is for asking who owns the pipe.
constexpr DWORD kAccess =
    FILE_READ_DATA | FILE_WRITE_DATA | FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE;

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

// A pipe takes the whole of a write or keeps it waiting; there is no call that takes what fits. A write that waits
// could be cancelled, but the answer does not tell how many of its bytes the reader has got by then, so the rest
// could not be sent without tearing a frame. The event loop writes the batch instead: one WriteFile as well, and it
// waits for the end.
Result<std::size_t> WriteBatch(Descriptor /*connected*/, const std::uint8_t* /*bytes*/, std::size_t /*size*/) {
  return static_cast<std::size_t>(0);
}

}  // namespace sentinel
