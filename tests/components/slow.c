/* Loaded before libc (LD_PRELOAD), so that a folder is as slow as one on a network disk that is far or gone:
   whatever looks at a path that begins with GPUBOX_TEST_SLOW waits GPUBOX_TEST_DELAY milliseconds before. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

static void wait_for(const char *path) {
    const char *slow = getenv("GPUBOX_TEST_SLOW"), *delay = getenv("GPUBOX_TEST_DELAY");
    if (path == NULL || slow == NULL || delay == NULL || strncmp(path, slow, strlen(slow)) != 0)
        return;
    long milliseconds = atol(delay);
    struct timespec rest = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&rest, &rest) != 0)
        ;
}

#define REAL(kind, name, ...) ((kind (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

int stat(const char *path, struct stat *told) {
    wait_for(path);
    return REAL(int, stat, const char *, struct stat *)(path, told);
}

int lstat(const char *path, struct stat *told) {
    wait_for(path);
    return REAL(int, lstat, const char *, struct stat *)(path, told);
}

int fstatat(int folder, const char *path, struct stat *told, int flags) {
    wait_for(path);
    return REAL(int, fstatat, int, const char *, struct stat *, int)(folder, path, told, flags);
}

int statvfs(const char *path, struct statvfs *told) {
    wait_for(path);
    return REAL(int, statvfs, const char *, struct statvfs *)(path, told);
}

int statvfs64(const char *path, struct statvfs64 *told) {
    wait_for(path);
    return REAL(int, statvfs64, const char *, struct statvfs64 *)(path, told);
}

int access(const char *path, int mode) {
    wait_for(path);
    return REAL(int, access, const char *, int)(path, mode);
}

ssize_t readlink(const char *path, char *goal, size_t size) {
    wait_for(path);
    return REAL(ssize_t, readlink, const char *, char *, size_t)(path, goal, size);
}

DIR *opendir(const char *path) {
    wait_for(path);
    return REAL(DIR *, opendir, const char *)(path);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    wait_for(path);
    return REAL(int, open, const char *, int, mode_t)(path, flags, mode);
}

int stat64(const char *path, struct stat64 *told) {
    wait_for(path);
    return REAL(int, stat64, const char *, struct stat64 *)(path, told);
}

int lstat64(const char *path, struct stat64 *told) {
    wait_for(path);
    return REAL(int, lstat64, const char *, struct stat64 *)(path, told);
}

int fstatat64(int folder, const char *path, struct stat64 *told, int flags) {
    wait_for(path);
    return REAL(int, fstatat64, int, const char *, struct stat64 *, int)(folder, path, told, flags);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    wait_for(path);
    return REAL(int, open64, const char *, int, mode_t)(path, flags, mode);
}
