/* While the file that FULL_DISK names exists, writes to relations fail as on a full disk. Loaded into a PostgreSQL
   server by LD_PRELOAD, because a file system of a few megabytes needs rights that a test run does not have. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int full(int fd) {
  const char *flag = getenv("FULL_DISK");
  char link[64], path[4096];
  if (flag == NULL || access(flag, F_OK) != 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, "/base/") != NULL;
}

ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) {
  static ssize_t (*real)(int, const void *, size_t, off64_t);
  if (full(fd)) { errno = ENOSPC; return -1; }
  if (real == NULL) real = dlsym(RTLD_NEXT, "pwrite64");
  return real(fd, from, size, at);
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t at) {
  static ssize_t (*real)(int, const void *, size_t, off_t);
  if (full(fd)) { errno = ENOSPC; return -1; }
  if (real == NULL) real = dlsym(RTLD_NEXT, "pwrite");
  return real(fd, from, size, at);
}
