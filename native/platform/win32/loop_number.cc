// Hands pipes to Node's event loop: as a file descriptor of the C runtime that Node itself uses, which only Node
// can make. The functions are libuv's and exported by every Node for Windows; nothing else of libuv is used.

#include "platform/win32/system.h"

extern "C" {
#ifdef _MSC_VER
__declspec(dllimport)
#endif
    int uv_open_osfhandle(void* handle);
#ifdef _MSC_VER
__declspec(dllimport)
#endif
    void* uv_get_osfhandle(int number);
#ifdef _MSC_VER
__declspec(dllimport)
#endif
    int uv_fs_close(void* loop, void* request, int number, void (*callback)(void*));
}

namespace sentinel {

Result<int> ToLoopNumber(OwnedDescriptor descriptor) {
  const int number = uv_open_osfhandle(Handle(descriptor.get()));
  // The C runtime has room for 8,192 of them.
  if (number < 0) return WindowsFailure("uv_open_osfhandle", ERROR_TOO_MANY_OPEN_FILES);
  descriptor.Release();
  return number;
}

// Without a callback, uv_fs_close closes at once and needs no loop. The request is a uv_fs_t, of less than 512
// bytes.
void CloseLoopNumber(int number) {
  alignas(16) unsigned char request[1024] = {};
  uv_fs_close(nullptr, request, number, nullptr);
}

Descriptor FromLoopNumber(int number) {
  return static_cast<Descriptor>(reinterpret_cast<std::intptr_t>(uv_get_osfhandle(number)));
}

// A pipe has no unique id, and its handle and number are reused immediately. So a pipe handed to a worker thread
// just before the thread is terminated stays open until the process ends.
std::optional<std::uint64_t> DescriptorCookie(Descriptor /*descriptor*/) { return std::nullopt; }

}  // namespace sentinel
