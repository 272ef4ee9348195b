// Defines symbols that headers of a newer libstdc++ or glibc refer to and older systems lack. -fvisibility=hidden
// keeps them inside the addon. Builds with musl do not refer to them.

#include <cstdlib>

namespace sentinel {

// libstdc++ 11 (GLIBCXX_3.4.29) calls this for arrays of impossible sizes. Its own definition would end the process
// too, because exceptions are disabled.
[[noreturn]] void ThrowBadArrayNewLength() __asm__("_ZSt28__throw_bad_array_new_lengthv");
void ThrowBadArrayNewLength() { std::abort(); }

// glibc 2.32: whether shared pointers may skip atomic instructions because the process has one thread. Always
// false, because of the accept thread.
extern char single_threaded __asm__("__libc_single_threaded");
char single_threaded = 0;

}  // namespace sentinel
