/* Programs that execute themselves once more, with one more argument, and check how that process exits. */
#ifndef RERUN_H
#define RERUN_H

#include "lifecycle.h"
#include <sys/stat.h>
#include <sys/wait.h>

static inline void rerun_folder(const char *how, char *path, size_t capacity) {
    int length = snprintf(path, capacity, "%s/%s", getenv("TEST_TMP"), how);
    CHECK(length > 0 && (size_t)length < capacity);
}

/* Executes this program once more. */
static void execute_again(char *const arguments[]) {
    execv("/proc/self/exe", arguments);
}

/* Executes this program once more, by this function, with `how` as its third argument and a TEST_TMP of its
 * own, and so with shared words of its own. Returns when it has exited, which must be with the expected
 * status. */
static inline void rerun_by(void (*execute)(char *const *), char **argv, const char *how, int expected) {
    char folder[4096];
    int status;
    rerun_folder(how, folder, sizeof folder);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        mkdir(folder, 0700);
        setenv("TEST_TMP", folder, 1);
        char *third = strdup(how);
        char *const arguments[] = {argv[0], argv[1], third, NULL};
        execute(arguments);
        _exit(99);
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected) fprintf(stderr, "%s: ", how);
    CHECK_EQUAL(WIFSIGNALED(status) ? WTERMSIG(status) : 0, 0);
    CHECK_EQUAL(WEXITSTATUS(status), expected);
}

static inline void rerun(char **argv, const char *how, int expected) {
    rerun_by(execute_again, argv, how, expected);
}

/* The value that one of its shared words had when it exited. */
static inline uint32_t word_after_rerun(const char *how, size_t index) {
    char folder[4096], path[4096 + 8];
    uint32_t value;
    rerun_folder(how, folder, sizeof folder);
    snprintf(path, sizeof path, "%s/words", folder);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    CHECK(pread(file, &value, sizeof value, (off_t)(index * sizeof value)) == sizeof value);
    close(file);
    return value;
}

#endif
