// Loads an addon where musl is the C library, as its loader does for Node:
// every symbol is looked up at once. There is no Node for musl at hand, so its
// functions are stand-ins that are never called (see musl.ts). Prints what it
// found. Usage: musl_load ADDON

#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

int main(int count, char **arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: musl_load ADDON\n");
    return 2;
  }
  void *addon = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  if (addon == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  using Version = int (*)();
  const auto version = reinterpret_cast<Version>(dlsym(addon, "node_api_module_get_api_version_v1"));
  if (version == nullptr || dlsym(addon, "napi_register_module_v1") == nullptr) {
    std::fprintf(stderr, "%s is no addon of Node-API\n", arguments[1]);
    return 1;
  }
  bool musl = false;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("libc.so.6") != std::string::npos) {
      std::fprintf(stderr, "glibc is here too: %s\n", line.c_str());
      return 1;
    }
    musl = musl || line.find("musl") != std::string::npos;
  }
  if (!musl) {
    std::fprintf(stderr, "no musl is mapped\n");
    return 1;
  }
  std::printf("loaded for Node-API %d\n", version());
  return 0;
}
