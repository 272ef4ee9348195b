// Checks whether the kernel reports both groups of a peer that has two: exits with 0 if it does. Under qemu 7.2 it
// exits with 1, because qemu passes getsockopt on with room for one number, whatever the size of the caller's buffer.

#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(void) {
  const gid_t groups[2] = {100, 1001};
  if (setgroups(2, groups) != 0) {
    printf("setgroups: %s\n", strerror(errno));
    return 2;
  }
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
    printf("socketpair: %s\n", strerror(errno));
    return 2;
  }
  gid_t told[64];
  socklen_t size = sizeof(told);
  if (getsockopt(ends[0], SOL_SOCKET, SO_PEERGROUPS, told, &size) != 0) {
    printf("SO_PEERGROUPS of two groups, with room for 64: %s\n", strerrorname_np(errno));
    return 1;
  }
  if (size != sizeof(groups) || memcmp(told, groups, sizeof(groups)) != 0) {
    printf("SO_PEERGROUPS of two groups: %u bytes\n", (unsigned)size);
    return 1;
  }
  return 0;
}
