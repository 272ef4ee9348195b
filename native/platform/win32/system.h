// Shared by the files of win32/: windows.h with the right definitions, error codes and texts. Internal to the
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

// Owns a handle as the system returns it; the value that means failure becomes an invalid descriptor.
OwnedDescriptor Own(HANDLE handle);

// The failure of a call whose error is `code`, a GetLastError() value.
Failure WindowsFailure(const char* operation, DWORD code, std::string detail = {});
// The same, with the kind given by the caller.
Failure WindowsFailure(FailureKind kind, const char* operation, DWORD code, std::string detail = {});

// Conversion to UTF-16, which the system expects, and back. Malformed text converts to an empty string.
std::wstring ToWide(const std::string& text);
std::string ToNarrow(const wchar_t* text);

// An event that stays set until it is reset.
Result<OwnedDescriptor> CreateManualEvent();

struct LocalFreer {
  void operator()(void* memory) const { LocalFree(memory); }
};
// Owns memory that a system call allocated.
template <typename T>
using LocalMemory = std::unique_ptr<T, LocalFreer>;

}  // namespace sentinel

#endif  // SENTINEL_WIN32_H_
