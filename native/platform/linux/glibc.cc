// What headers of a newer libstdc++ or glibc refer to and those of an older system do not have, defined here
// instead. -fvisibility=hidden keeps them inside of the addon. With musl they are not referred to.

#include <cstdlib>

namespace sentinel {

// libstdc++ 11 (GLIBCXX_3.4.29) calls this for arrays of impossible sizes. Its own would end the process too, as
// exceptions are off.
[[noreturn]] void ThrowBadArrayNewLength() __asm__("_ZSt28__throw_bad_array_new_lengthv");
void ThrowBadArrayNewLength() { std::abort(); }

// glibc 2.32: whether shared pointers may count without atomic instructions. Never: the accept thread is always
// there.
extern char single_threaded __asm__("__libc_single_threaded");
char single_threaded = 0;

}  // namespace sentinel
