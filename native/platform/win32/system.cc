#include "platform/win32/system.h"

#include <process.h>

#include <utility>

namespace sentinel {
namespace {

// The error numbers that libuv, and so Node, uses on Windows (uv/errno.h), without their sign.
enum UvNumber : int {
  kUvPermission = 4092,   // EACCES
  kUvBadHandle = 4083,    // EBADF
  kUvBusy = 4082,         // EBUSY
  kUvInvalid = 4071,      // EINVAL
  kUvTooMany = 4066,      // EMFILE
  kUvNameTooLong = 4064,  // ENAMETOOLONG
  kUvNoEntry = 4058,      // ENOENT
  kUvNoMemory = 4057,     // ENOMEM
  kUvBrokenPipe = 4047,   // EPIPE
  kUvTimedOut = 4039,     // ETIMEDOUT
  kUvCancelled = 4081,    // ECANCELED
  kUvUnknown = 4094,      // UNKNOWN
};

int ToUvNumber(DWORD code) {
  switch (code) {
    case ERROR_ACCESS_DENIED:
    case ERROR_PRIVILEGE_NOT_HELD: return kUvPermission;
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_NONE_MAPPED: return kUvNoEntry;
    case ERROR_PIPE_BUSY: return kUvBusy;
    case ERROR_BROKEN_PIPE:
    case ERROR_NO_DATA:
    case ERROR_PIPE_NOT_CONNECTED: return kUvBrokenPipe;
    case ERROR_INVALID_HANDLE: return kUvBadHandle;
    case ERROR_INVALID_NAME:
    case ERROR_INVALID_PARAMETER:
    case ERROR_INVALID_SID: return kUvInvalid;
    case ERROR_FILENAME_EXCED_RANGE: return kUvNameTooLong;
    case ERROR_TOO_MANY_OPEN_FILES:
    case ERROR_NO_SYSTEM_RESOURCES: return kUvTooMany;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_NOT_ENOUGH_QUOTA:
    case ERROR_COMMITMENT_LIMIT: return kUvNoMemory;
    case ERROR_SEM_TIMEOUT:
    case WAIT_TIMEOUT: return kUvTimedOut;
    case ERROR_OPERATION_ABORTED: return kUvCancelled;
    default: return kUvUnknown;
  }
}

FailureKind KindOf(int number) {
  return number == kUvTooMany || number == kUvNoMemory ? FailureKind::kExhausted : FailureKind::kSystem;
}

class StartedThread final : public Thread {
 public:
  explicit StartedThread(OwnedDescriptor handle) : handle_(std::move(handle)) {}
  void Join() override { WaitForSingleObject(Handle(handle_.get()), INFINITE); }

 private:
  const OwnedDescriptor handle_;
};

struct ThreadStart {
  ThreadBody body;
  void* argument;
};

unsigned __stdcall RunThread(void* raw) {
  const std::unique_ptr<ThreadStart> start(static_cast<ThreadStart*>(raw));
  start->body(start->argument);
  return 0;
}

}  // namespace

void CloseDescriptor(Descriptor descriptor) { CloseHandle(Handle(descriptor)); }

OwnedDescriptor Own(HANDLE handle) {
  // Some calls fail with nullptr, others with INVALID_HANDLE_VALUE.
  if (handle == nullptr || handle == INVALID_HANDLE_VALUE) return {};
  return OwnedDescriptor(static_cast<Descriptor>(reinterpret_cast<std::intptr_t>(handle)));
}

Failure WindowsFailure(FailureKind kind, const char* operation, DWORD code, std::string detail) {
  const int number = ToUvNumber(code);
  if (number == kUvUnknown) {
    if (!detail.empty()) detail += ": ";
    detail += "Windows error " + std::to_string(code);
  }
  return {kind, number, operation, std::move(detail)};
}

Failure WindowsFailure(const char* operation, DWORD code, std::string detail) {
  return WindowsFailure(KindOf(ToUvNumber(code)), operation, code, std::move(detail));
}

std::wstring ToWide(const std::string& text) {
  if (text.empty()) return {};
  const int size = static_cast<int>(text.size());
  const int units = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text.data(), size, nullptr, 0);
  std::wstring wide(static_cast<std::size_t>(units > 0 ? units : 0), L'\0');
  MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text.data(), size, wide.data(), units);
  return wide;
}

std::string ToNarrow(const wchar_t* text) {
  const int bytes = WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, text, -1, nullptr, 0, nullptr, nullptr);
  if (bytes <= 1) return {};
  std::string narrow(static_cast<std::size_t>(bytes), '\0');
  WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, text, -1, narrow.data(), bytes, nullptr, nullptr);
  narrow.pop_back();  // the terminating NUL
  return narrow;
}

Result<OwnedDescriptor> CreateManualEvent() {
  OwnedDescriptor event = Own(CreateEventW(nullptr, TRUE, FALSE, nullptr));
  if (event.valid()) return event;
  return WindowsFailure(FailureKind::kExhausted, "CreateEvent", GetLastError());
}

Status SendDatagram(const std::string& address, const std::string& /*text*/) {
  return Failure{FailureKind::kNotSupported, 0, "sendto", address};
}

Result<std::unique_ptr<Thread>> StartThread(ThreadBody body, void* argument) {
  auto start = std::make_unique<ThreadStart>(ThreadStart{body, argument});
  const std::uintptr_t handle = _beginthreadex(nullptr, 0, RunThread, start.get(), 0, nullptr);
  if (handle == 0) return WindowsFailure(FailureKind::kExhausted, "CreateThread", ERROR_NOT_ENOUGH_MEMORY);
  start.release();  // NOLINT(bugprone-unused-return-value): RunThread owns it now
  return std::unique_ptr<Thread>(std::make_unique<StartedThread>(OwnedDescriptor(static_cast<Descriptor>(handle))));
}

}  // namespace sentinel
