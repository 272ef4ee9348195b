// Waking threads of the addon, and streams from them to the event loop: pipes with one instance each, open to this
// user only, that this process itself connects to at once.

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "platform/platform.h"
#include "platform/win32/pipe.h"
#include "platform/win32/system.h"

namespace sentinel {
namespace {

constexpr DWORD kFailurePauseMs = 50;
constexpr DWORD kSliceMs = 50;

std::wstring NextWireName() {
  static std::atomic<unsigned> count{0};
  LARGE_INTEGER ticks{};
  QueryPerformanceCounter(&ticks);
  return L"\\\\.\\pipe\\sentinel-ipc.wire." + std::to_wstring(GetCurrentProcessId()) + L"." +
         std::to_wstring(++count) + L"." + std::to_wstring(ticks.QuadPart);
}

enum class Sent { kYes, kFull, kNobody, kFailed };

// All or nothing: all writes on a wire are of one size, which divides its buffer.
Sent Send(Descriptor thread_end, const std::uint8_t* bytes, DWORD size) {
  Result<OwnedDescriptor> event = CreateManualEvent();
  if (!event.ok()) return Sent::kFailed;
  OVERLAPPED overlapped{};
  overlapped.hEvent = Handle(event.value().get());
  const HANDLE pipe = Handle(thread_end);
  if (WriteFile(pipe, bytes, size, nullptr, &overlapped) == 0) {
    switch (GetLastError()) {
      case ERROR_IO_PENDING:  // full: taken back, unless the reader was faster
        CancelIoEx(pipe, &overlapped);
        break;
      case ERROR_NO_DATA:
      case ERROR_BROKEN_PIPE:
      case ERROR_PIPE_NOT_CONNECTED: return Sent::kNobody;
      default: return Sent::kFailed;
    }
  }
  DWORD written = 0;
  if (GetOverlappedResult(pipe, &overlapped, &written, TRUE) != 0) return Sent::kYes;
  return GetLastError() == ERROR_OPERATION_ABORTED ? Sent::kFull : Sent::kNobody;
}

}  // namespace

Result<OwnedDescriptor> CreateWaker() { return CreateManualEvent(); }
void Wake(Descriptor waker) { SetEvent(Handle(waker)); }
void DrainWaker(Descriptor waker) { ResetEvent(Handle(waker)); }

// Windows waits for at most 64 objects at once. If there are more, the first ones are waited for and the others are
// checked twenty times a second.
bool WaitReadable(const std::vector<Descriptor>& descriptors, int timeout_ms, std::vector<bool>& ready) {
  std::vector<HANDLE> handles;
  handles.reserve(descriptors.size());
  for (const Descriptor descriptor : descriptors) handles.push_back(Handle(descriptor));
  ready.assign(handles.size(), false);
  const auto first = static_cast<DWORD>(std::min<std::size_t>(handles.size(), MAXIMUM_WAIT_OBJECTS));
  const bool all_at_once = first == handles.size();
  const ULONGLONG begin = GetTickCount64();
  for (;;) {
    const DWORD left = timeout_ms < 0 ? INFINITE
                                      : static_cast<DWORD>(timeout_ms) -
                                            static_cast<DWORD>(std::min<ULONGLONG>(
                                                GetTickCount64() - begin, static_cast<ULONGLONG>(timeout_ms)));
    const DWORD slice = all_at_once ? left : std::min(left, kSliceMs);
    if (WaitForMultipleObjects(first, handles.data(), FALSE, slice) == WAIT_FAILED) {
      Sleep(kFailurePauseMs);
      return false;
    }
    bool any = false;
    for (std::size_t i = 0; i < handles.size(); ++i) {
      ready[i] = WaitForSingleObject(handles[i], 0) == WAIT_OBJECT_0;
      any = any || ready[i];
    }
    if (any || left == 0 || (all_at_once && left != INFINITE)) return true;
  }
}

Result<NotifyPair> CreateNotifyPair() {
  Result<PipeSecurity> security = PipeSecurity::For({});
  if (!security.ok()) return security.failure();
  PipeRequest request;
  request.name = NextWireName();
  request.first = true;
  request.inbound = true;
  request.most_instances = 1;
  NotifyPair pair;
  pair.loop = CreateInstance(request, security.value());
  if (!pair.loop.valid()) return WindowsFailure("CreateNamedPipe", GetLastError());
  pair.thread = OpenClientEnd(request.name, GENERIC_WRITE | FILE_READ_ATTRIBUTES);
  // If another process had connected first, the only instance would be taken and this would fail.
  if (!pair.thread.valid()) return WindowsFailure("CreateFile", GetLastError());
  return pair;
}

bool Notify(Descriptor thread_end) {
  const std::uint8_t byte = 1;
  return Send(thread_end, &byte, 1) != Sent::kFailed;
}

bool NotifyNumber(Descriptor thread_end, std::uint64_t number) {
  std::array<std::uint8_t, 8> bytes{};
  for (std::uint8_t& byte : bytes) {
    byte = static_cast<std::uint8_t>(number & 0xffU);
    number >>= 8U;
  }
  const Sent sent = Send(thread_end, bytes.data(), static_cast<DWORD>(bytes.size()));
  return sent == Sent::kYes || sent == Sent::kNobody;
}

}  // namespace sentinel
