// Finds Node's own functions in the program that has loaded the addon, under any file name (node.exe, electron.exe
// …). For builds by MinGW; node-gyp brings its own for those by Visual C++.

#include <windows.h>

// Needs windows.h before it.
#include <delayimp.h>

#include <cstring>

namespace {

FARPROC WINAPI FindHost(unsigned notification, PDelayLoadInfo info) {
  if (notification != dliNotePreLoadLibrary || _stricmp(info->szDll, "node.exe") != 0) return nullptr;
  return reinterpret_cast<FARPROC>(GetModuleHandleW(nullptr));
}

}  // namespace

PfnDliHook __pfnDliNotifyHook2 = FindHost;
