// What the files of win32/ share: windows.h with the right definitions, error codes and texts. Internal to the
// platform.

#ifndef SENTINEL_WIN32_H_
#define SENTINEL_WIN32_H_

#ifndef NOMINMAX
#define NOMINMAX
#endif
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>

#include <memory>
#include <string>

#include "platform/platform.h"

namespace sentinel {

inline HANDLE Handle(Descriptor descriptor) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a handle is a number in the type of a pointer
  return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(descriptor));
}

// Owns a handle as the system gives it; what it gives for a failure becomes an invalid descriptor.
OwnedDescriptor Own(HANDLE handle);

// The failure of a call whose error is `code`, a GetLastError() value.
Failure WindowsFailure(const char* operation, DWORD code, std::string detail = {});
// The same, but of a kind that the caller knows better.
Failure WindowsFailure(FailureKind kind, const char* operation, DWORD code, std::string detail = {});

// UTF-16 as the system wants it, and back. Text that is not well formed comes back empty.
std::wstring ToWide(const std::string& text);
std::string ToNarrow(const wchar_t* text);

// An event that stays set until it is reset.
Result<OwnedDescriptor> CreateManualEvent();

struct LocalFreer {
  void operator()(void* memory) const { LocalFree(memory); }
};
// Memory that some calls allocate for us.
template <typename T>
using LocalMemory = std::unique_ptr<T, LocalFreer>;

}  // namespace sentinel

#endif  // SENTINEL_WIN32_H_
