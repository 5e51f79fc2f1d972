/* Loaded before libc into the real servers of the tests (LD_PRELOAD), so that they run as whoever runs the
   tests and touch nothing of theirs:
   GPUBOX_TEST_HOME and GPUBOX_TEST_SHELL take the place of home and login shell in the password database;
   GPUBOX_TEST_HIDE names a part of program names that cannot be started: a box without them;
   GPUBOX_TEST_HASTE makes naps of 0.1 s ten times as short: slurmctld, which looks at its queue after ten of
   them, then starts a job within 0.1 s and not within one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int haste;
static char *home, *shell, *hidden, preload[4096], hide[4096];

__attribute__((constructor)) static void remember(void) {
    const char *library = getenv("LD_PRELOAD");
    home = getenv("GPUBOX_TEST_HOME");
    shell = getenv("GPUBOX_TEST_SHELL");
    hidden = getenv("GPUBOX_TEST_HIDE");
    haste = getenv("GPUBOX_TEST_HASTE") != NULL;
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", library == NULL ? "" : library);
    snprintf(hide, sizeof hide, "GPUBOX_TEST_HIDE=%s", hidden == NULL ? "" : hidden);
    home = home == NULL ? NULL : strdup(home);
    shell = shell == NULL ? NULL : strdup(shell);
    hidden = hidden == NULL ? NULL : strdup(hidden);
}

static struct passwd *moved(struct passwd *person) {
    static struct passwd copy;
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

/* Servers clear the environment of what they start: the hiding must be handed down by hand. */
static char **handed_down(char *const envp[]) {
    static char *longer[4096];
    int count = 0;
    for (; envp != NULL && envp[count] != NULL && count < 4093; count++)
        longer[count] = envp[count];
    longer[count++] = preload;
    longer[count++] = hide;
    longer[count] = NULL;
    return longer;
}

int execve(const char *path, char *const argv[], char *const envp[]) {
    int (*real)(const char *, char *const[], char *const[]) =
        (int (*)(const char *, char *const[], char *const[])) dlsym(RTLD_NEXT, "execve");
    const char *slash = strrchr(path, '/');
    if (hidden == NULL)
        return real(path, argv, envp);
    if (strstr(slash == NULL ? path : slash, hidden) != NULL) {
        errno = ENOENT;
        return -1;
    }
    return real(path, argv, handed_down(envp));
}

/* libc's own execv does not come by the function above. */
int execv(const char *path, char *const argv[]) {
    return execve(path, argv, environ);
}

int usleep(useconds_t time) {
    useconds_t nap = haste && time == 100000 ? time / 10 : time;
    struct timespec span = {.tv_sec = nap / 1000000, .tv_nsec = nap % 1000000 * 1000};
    return nanosleep(&span, NULL);
}
