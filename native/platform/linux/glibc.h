// Included first in every file of a Linux build (binding.gyp): makes builds on a newer system use only symbols that
// glibc 2.28 (RHEL 8) has. release/symbol-versions.ts checks the result. Has no effect with musl.

#ifndef SENTINEL_LINUX_GLIBC_H_
#define SENTINEL_LINUX_GLIBC_H_

#include <features.h>

#if defined(__GLIBC__)
#if defined(__x86_64__)
#define SENTINEL_FIRST_GLIBC "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define SENTINEL_FIRST_GLIBC "GLIBC_2.17"
#endif
#if defined(SENTINEL_FIRST_GLIBC)
// Since glibc 2.34 the thread functions are in libc under a new symbol version. The old version still exists, and
// is the one that older systems have.
__asm__(".symver pthread_create,pthread_create@" SENTINEL_FIRST_GLIBC);
__asm__(".symver pthread_join,pthread_join@" SENTINEL_FIRST_GLIBC);
__asm__(".symver pthread_sigmask,pthread_sigmask@" SENTINEL_FIRST_GLIBC);
#endif
#endif

#endif  // SENTINEL_LINUX_GLIBC_H_
