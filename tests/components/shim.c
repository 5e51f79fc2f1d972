/* Loaded before libc into the real servers of the tests (LD_PRELOAD), so that they run as whoever runs the
   tests and touch nothing of theirs:
   GPUBOX_TEST_HOME and GPUBOX_TEST_SHELL take the place of home and login shell in the password database;
   GPUBOX_TEST_HIDE names a part of program names that cannot be started: a box without them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct passwd *moved(struct passwd *person) {
    static struct passwd copy;
    char *home = getenv("GPUBOX_TEST_HOME"), *shell = getenv("GPUBOX_TEST_SHELL");
    if (person == NULL || person->pw_uid != getuid())
        return person;
    copy = *person;
    if (home != NULL)
        copy.pw_dir = home;
    if (shell != NULL)
        copy.pw_shell = shell;
    return &copy;
}

struct passwd *getpwnam(const char *name) {
    struct passwd *(*real)(const char *) = (struct passwd * (*)(const char *)) dlsym(RTLD_NEXT, "getpwnam");
    return moved(real(name));
}

struct passwd *getpwuid(uid_t number) {
    struct passwd *(*real)(uid_t) = (struct passwd * (*)(uid_t)) dlsym(RTLD_NEXT, "getpwuid");
    return moved(real(number));
}

int execve(const char *path, char *const argv[], char *const envp[]) {
    int (*real)(const char *, char *const[], char *const[]) =
        (int (*)(const char *, char *const[], char *const[])) dlsym(RTLD_NEXT, "execve");
    const char *hidden = getenv("GPUBOX_TEST_HIDE"), *slash = strrchr(path, '/');
    if (hidden != NULL && strstr(slash == NULL ? path : slash, hidden) != NULL) {
        errno = ENOENT;
        return -1;
    }
    return real(path, argv, envp);
}
