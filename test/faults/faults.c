// An LD_PRELOAD shim that makes system calls of the addon fail: the first N calls of a function, with an errno.
// FAULTS=name:errno:count[,...]; calls from anything but sentinel_ipc.node go through.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define MAX_FAULTS 8
static struct { char name[32]; int code; atomic_int left; } faults[MAX_FAULTS];

__attribute__((constructor)) static void read_faults(void) {
  const char *text = getenv("FAULTS");
  char copy[256];
  if (text == NULL || strlen(text) >= sizeof(copy)) return;
  strcpy(copy, text);
  char *rest = NULL;
  int i = 0;
  for (char *part = strtok_r(copy, ",", &rest); part != NULL && i < MAX_FAULTS; part = strtok_r(NULL, ",", &rest)) {
    char *colon = strchr(part, ':');
    if (colon == NULL || colon - part >= (long)sizeof(faults[i].name)) continue;
    memcpy(faults[i].name, part, (size_t)(colon - part));
    faults[i].code = atoi(colon + 1);
    colon = strchr(colon + 1, ':');
    atomic_store(&faults[i].left, colon == NULL ? 1 : atoi(colon + 1));
    ++i;
  }
}

static int fails(const char *name, void *caller) {
  Dl_info info;
  if (dladdr(caller, &info) == 0 || info.dli_fname == NULL || strstr(info.dli_fname, "sentinel_ipc.node") == NULL) return 0;
  for (int i = 0; i < MAX_FAULTS; ++i) {
    if (strcmp(faults[i].name, name) == 0 && atomic_fetch_sub(&faults[i].left, 1) > 0) {
      errno = faults[i].code;
      return 1;
    }
  }
  return 0;
}

#define FAIL(name) if (fails(#name, __builtin_return_address(0))) return -1
#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

int socket(int domain, int type, int protocol) { FAIL(socket); REAL(socket); return real(domain, type, protocol); }
int socketpair(int domain, int type, int protocol, int ends[2]) { FAIL(socketpair); REAL(socketpair); return real(domain, type, protocol, ends); }
int accept4(int s, struct sockaddr *a, socklen_t *n, int flags) { FAIL(accept4); REAL(accept4); return real(s, a, n, flags); }
int connect(int s, const struct sockaddr *a, socklen_t n) { FAIL(connect); REAL(connect); return real(s, a, n); }
int bind(int s, const struct sockaddr *a, socklen_t n) { FAIL(bind); REAL(bind); return real(s, a, n); }
int listen(int s, int backlog) { FAIL(listen); REAL(listen); return real(s, backlog); }
int getsockopt(int s, int level, int name, void *value, socklen_t *n) { FAIL(getsockopt); REAL(getsockopt); return real(s, level, name, value, n); }
ssize_t send(int s, const void *bytes, size_t n, int flags) { FAIL(send); REAL(send); return real(s, bytes, n, flags); }
int fchmod(int s, mode_t mode) { FAIL(fchmod); REAL(fchmod); return real(s, mode); }
int poll(struct pollfd *watched, unsigned long n, int timeout) {
  FAIL(poll);
  int (*real)(struct pollfd *, unsigned long, int) = (int (*)(struct pollfd *, unsigned long, int))dlsym(RTLD_NEXT, "poll");
  return real(watched, n, timeout);
}
int statx(int directory, const char *restrict path, int flags, unsigned mask, struct statx *restrict facts) { FAIL(statx); REAL(statx); return real(directory, path, flags, mask, facts); }
static int open_or_fail(const char *path, int flags, mode_t mode) {
  int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
  return real(path, flags, mode);
}
// The addon is built with 64-bit offsets, where open is open64.
int open64(const char *path, int flags, ...) {
  FAIL(open);
  va_list list;
  va_start(list, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return open_or_fail(path, flags, mode);
}
int pthread_create(void *thread, const void *attributes, void *(*body)(void *), void *argument) {
  if (fails("pthread_create", __builtin_return_address(0))) return errno;
  int (*real)(void *, const void *, void *(*)(void *), void *) = (int (*)(void *, const void *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
  return real(thread, attributes, body, argument);
}
