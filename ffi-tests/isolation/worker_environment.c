/* A worker process starts clean: environment and folder as chosen, modules open, signals and
 * descriptors as if a shell had started it, input at its end, and in a group of its own. A copy of the
 * caller keeps the caller's descriptors, and is as clean in all else. */
#include "rendezvous.h"
#include <signal.h>

enum { STRANGER = 77 };

static void check_signals(void) {
    sigset_t blocked;
    CHECK(sigprocmask(SIG_SETMASK, NULL, &blocked) == 0);
    for (int number = 1; number < SIGRTMIN; number++) {
        struct sigaction action;
        CHECK(!sigismember(&blocked, number));
        if (sigaction(number, NULL, &action) != 0) continue;
        int is_ignored = action.sa_handler == SIG_IGN;
        if (number == SIGINT) CHECK(is_ignored);
        if (number == SIGUSR1 || number == SIGTERM || number == SIGCHLD) CHECK(!is_ignored);
    }
}

/* Only 0 to 2 and what the library needs to talk: nothing that has a name in the file system. */
static void check_descriptors(bool is_copy) {
    char byte;
    CHECK(read(0, &byte, 1) == 0);
    CHECK(fcntl(STRANGER, F_GETFD) == (is_copy ? 0 : -1));
    if (is_copy) return;
    for (int descriptor = 3; descriptor < 1024; descriptor++) {
        char path[64], target[4096];
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length < 0) continue;
        target[length] = 0;
        if (target[0] == '/' && strncmp(target, "/memfd:", 7) != 0) {
            fprintf(stderr, "descriptor %d is %s\n", descriptor, target);
            exit(1);
        }
    }
}

static int32_t check_in_worker(pool_task_t *task) {
    char folder[64], path[4096];
    bool is_copy = *(const bool *)pool_task_args(task, NULL);
    CHECK(getcwd(folder, sizeof folder) != NULL);
    CHECK(strcmp(folder, "/") == 0);
    CHECK(getenv("CHOSEN") && strcmp(getenv("CHOSEN"), "yes") == 0);
    CHECK(getenv("HOME") == NULL);
    snprintf(path, sizeof path, "%s/marks_was_loaded", getenv("TEST_TMP"));
    CHECK(access(path, F_OK) == 0);
    CHECK_EQUAL(getpgrp(), getpid());
    check_signals();
    check_descriptors(is_copy);
    return 0;
}

/* Without options: as the caller's at pool_new, not as it became later. */
static int32_t check_inherited(pool_task_t *task) {
    char folder[4096];
    CHECK(getcwd(folder, sizeof folder) != NULL);
    CHECK(getenv("CHOSEN") && strcmp(getenv("CHOSEN"), "before") == 0);
    return pool_task_return(task, folder, strlen(folder) + 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;

    /* A host that has done all that workers must not inherit. */
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigaddset(&some, SIGTERM);
    sigprocmask(SIG_BLOCK, &some, NULL);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    int stranger = open("/dev/null", O_RDONLY);
    CHECK(dup2(stranger, STRANGER) == STRANGER);

    char folder[4096], other[4096], tmp[4096];
    char *marks = library_path("marks");
    snprintf(tmp, sizeof tmp, "TEST_TMP=%s", getenv("TEST_TMP"));
    const char *const env[] = {"CHOSEN=yes", tmp, NULL};
    const char *const modules[] = {marks, NULL};
    setenv("CHOSEN", "before", 1);
    pool_t *inherits = new_pool(&options, 1);
    setenv("CHOSEN", "after", 1);
    options.env = env;
    options.modules = modules;
    options.cwd = "/";
    pool_t *chooses = new_pool(&options, 1);
    bool is_copy = options.start == POOL_FORK;
    CHECK_OK(pool_run(chooses, check_in_worker, &is_copy, sizeof is_copy, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_run(inherits, check_inherited, NULL, 0, POOL_FOREVER, other, sizeof other, NULL));
    CHECK(getcwd(folder, sizeof folder) != NULL);
    CHECK(strcmp(folder, other) == 0);
    pool_free(inherits);
    pool_free(chooses);
    close(stranger);
    close(STRANGER);
    free(marks);
    return leaves_nothing_behind();
}
