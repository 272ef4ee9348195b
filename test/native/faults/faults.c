// An LD_PRELOAD shim that makes system calls of the addon fail: the first N calls of a function, with an errno.
// FAULTS=name:errno:count[,...]; several of one name fail in turn. A socket option has a name of its own:
// getsockopt/OPTION. Calls from anything but sentinel_ipc.node go through. At the end, FAULTS_LEFT names a file to which
// the number of faults is written that were never met.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_FAULTS 64
static struct { char name[32]; int code; atomic_int left; } faults[MAX_FAULTS];

__attribute__((constructor)) static void read_faults(void) {
  const char *text = getenv("FAULTS");
  char copy[4096];
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

__attribute__((destructor)) static void tell_left(void) {
  const char *path = getenv("FAULTS_LEFT");
  if (path == NULL) return;
  int left = 0;
  for (int i = 0; i < MAX_FAULTS; ++i) {
    const int of_this = atomic_load(&faults[i].left);
    if (of_this > 0) {
      left += of_this;
      fprintf(stderr, "never met: %s\n", faults[i].name);
    }
  }
  FILE *file = fopen(path, "w");
  if (file == NULL) return;
  fprintf(file, "%d", left);
  fclose(file);
}

#define FAIL(name) if (fails(#name, __builtin_return_address(0))) return -1
#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

int socket(int domain, int type, int protocol) { FAIL(socket); REAL(socket); return real(domain, type, protocol); }
int socketpair(int domain, int type, int protocol, int ends[2]) { FAIL(socketpair); REAL(socketpair); return real(domain, type, protocol, ends); }
int accept4(int s, struct sockaddr *a, socklen_t *n, int flags) { FAIL(accept4); REAL(accept4); return real(s, a, n, flags); }
int connect(int s, const struct sockaddr *a, socklen_t n) { FAIL(connect); REAL(connect); return real(s, a, n); }
int bind(int s, const struct sockaddr *a, socklen_t n) { FAIL(bind); REAL(bind); return real(s, a, n); }
int listen(int s, int backlog) { FAIL(listen); REAL(listen); return real(s, backlog); }
int getsockopt(int s, int level, int name, void *value, socklen_t *n) {
  char option[32];
  snprintf(option, sizeof(option), "getsockopt/%d", name);
  if (fails(option, __builtin_return_address(0))) return -1;
  REAL(getsockopt);
  return real(s, level, name, value, n);
}
int getsockname(int s, struct sockaddr *a, socklen_t *n) { FAIL(getsockname); REAL(getsockname); return real(s, a, n); }
int epoll_create1(int flags) { FAIL(epoll_create1); REAL(epoll_create1); return real(flags); }
int epoll_ctl(int set, int operation, int fd, struct epoll_event *event) { FAIL(epoll_ctl); REAL(epoll_ctl); return real(set, operation, fd, event); }
int epoll_wait(int set, struct epoll_event *events, int most, int timeout) { FAIL(epoll_wait); REAL(epoll_wait); return real(set, events, most, timeout); }
int eventfd(unsigned count, int flags) {
  FAIL(eventfd);
  int (*real)(unsigned, int) = (int (*)(unsigned, int))dlsym(RTLD_NEXT, "eventfd");
  return real(count, flags);
}
ssize_t recv(int s, void *bytes, size_t n, int flags) { FAIL(recv); REAL(recv); return real(s, bytes, n, flags); }
ssize_t read(int fd, void *bytes, size_t n) { FAIL(read); REAL(read); return real(fd, bytes, n); }
ssize_t write(int fd, const void *bytes, size_t n) { FAIL(write); REAL(write); return real(fd, bytes, n); }
ssize_t readlink(const char *path, char *target, size_t n) { FAIL(readlink); REAL(readlink); return real(path, target, n); }
int mkdir(const char *path, mode_t mode) { FAIL(mkdir); REAL(mkdir); return real(path, mode); }
int chmod(const char *path, mode_t mode) { FAIL(chmod); REAL(chmod); return real(path, mode); }
int fchownat(int at, const char *path, uid_t user, gid_t group, int flags) { FAIL(fchownat); REAL(fchownat); return real(at, path, user, group, flags); }
int access(const char *path, int how) { FAIL(access); REAL(access); return real(path, how); }
int unlink(const char *path) { FAIL(unlink); REAL(unlink); return real(path); }
/* flock/removed: the file's last holder removes it just before, and the call goes through. */
int flock(int fd, int operation) {
  FAIL(flock);
  if (fails("flock/removed", __builtin_return_address(0))) {
    char link[64], path[4096];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path, sizeof(path) - 1);
    if (length > 0) {
      path[length] = 0;
      unlink(path);
    }
  }
  REAL(flock);
  return real(fd, operation);
}
FILE *fopen64(const char *path, const char *mode) {
  if (fails("fopen", __builtin_return_address(0))) return NULL;
  REAL(fopen64);
  return real(path, mode);
}
// Takes a third argument or none; handing one on that is not there does no harm in the calling conventions of Linux.
int fcntl64(int fd, int command, ...) {
  FAIL(fcntl);
  va_list list;
  va_start(list, command);
  void *argument = va_arg(list, void *);
  va_end(list);
  int (*real)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT, "fcntl64");
  return real(fd, command, argument);
}
int ioctl(int fd, unsigned long request, ...) {
  FAIL(ioctl);
  va_list list;
  va_start(list, request);
  void *argument = va_arg(list, void *);
  va_end(list);
  int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
  return real(fd, request, argument);
}
// These return the error number.
int getpwnam_r(const char *name, struct passwd *entry, char *memory, size_t n, struct passwd **found) {
  if (fails("getpwnam_r", __builtin_return_address(0))) return errno;
  REAL(getpwnam_r);
  return real(name, entry, memory, n, found);
}
int getgrnam_r(const char *name, struct group *entry, char *memory, size_t n, struct group **found) {
  if (fails("getgrnam_r", __builtin_return_address(0))) return errno;
  REAL(getgrnam_r);
  return real(name, entry, memory, n, found);
}
ssize_t send(int s, const void *bytes, size_t n, int flags) { FAIL(send); REAL(send); return real(s, bytes, n, flags); }
int fchmod(int s, mode_t mode) { FAIL(fchmod); REAL(fchmod); return real(s, mode); }
int poll(struct pollfd *watched, unsigned long n, int timeout) {
  FAIL(poll);
  int (*real)(struct pollfd *, unsigned long, int) = (int (*)(struct pollfd *, unsigned long, int))dlsym(RTLD_NEXT, "poll");
  return real(watched, n, timeout);
}
// The addon calls statx(2) through it, because older C libraries have no function for that.
long syscall(long number, ...) {
  if (number == SYS_statx && fails("statx", __builtin_return_address(0))) return -1;
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (int i = 0; i < 6; ++i) arguments[i] = va_arg(list, long);
  va_end(list);
  long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}
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
// openat/cgroup2: the control groups of a process, as version 2 shows them, which keeps those of a zombie.
static int cgroup2(void) {
  const char text[] = "0::/sentinel-ended.service\n";
  const int file = memfd_create("cgroup", 0);
  if (file < 0 || pwrite(file, text, sizeof(text) - 1, 0) < 0) return -1;
  return file;
}
// A file of a process below its directory in /proc. All other calls that take a directory count as those that take a
// path alone.
static int of_process(const char *path) {
  return strcmp(path, "exe") == 0 || strcmp(path, "cgroup") == 0 || strcmp(path, "stat") == 0 || strcmp(path, "status") == 0;
}
int openat64(int directory, const char *path, int flags, ...) {
  if (fails(of_process(path) ? "openat" : "open", __builtin_return_address(0))) return -1;
  if (strcmp(path, "cgroup") == 0 && fails("openat/cgroup2", __builtin_return_address(0))) return cgroup2();
  va_list list;
  va_start(list, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  int (*real)(int, const char *, int, ...) = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
  return real(directory, path, flags, mode);
}
ssize_t readlinkat(int directory, const char *path, char *target, size_t n) {
  if (fails(of_process(path) ? "readlinkat" : "readlink", __builtin_return_address(0))) return -1;
  REAL(readlinkat);
  return real(directory, path, target, n);
}
int mkdirat(int directory, const char *path, mode_t mode) {
  if (fails("mkdir", __builtin_return_address(0))) return -1;
  REAL(mkdirat);
  return real(directory, path, mode);
}
int fchmodat(int directory, const char *path, mode_t mode, int flags) {
  if (fails("chmod", __builtin_return_address(0))) return -1;
  REAL(fchmodat);
  return real(directory, path, mode, flags);
}
int unlinkat(int directory, const char *path, int flags) {
  if (fails("unlink", __builtin_return_address(0))) return -1;
  REAL(unlinkat);
  return real(directory, path, flags);
}
int removexattr(const char *path, const char *name) { FAIL(removexattr); REAL(removexattr); return real(path, name); }
int pthread_create(void *thread, const void *attributes, void *(*body)(void *), void *argument) {
  if (fails("pthread_create", __builtin_return_address(0))) return errno;
  int (*real)(void *, const void *, void *(*)(void *), void *) = (int (*)(void *, const void *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
  return real(thread, attributes, body, argument);
}
