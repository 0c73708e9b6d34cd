/* Programs that run themselves again, with one more argument, to see how they end. */
#ifndef AGAIN_H
#define AGAIN_H

#include "life.h"
#include <sys/stat.h>
#include <sys/wait.h>

static inline void folder_of(const char *how, char *path, size_t capacity) {
    int length = snprintf(path, capacity, "%s/%s", getenv("TEST_TMP"), how);
    CHECK(length > 0 && (size_t)length < capacity);
}

/* Runs it again: its third argument says how, and it has words of its own. Ends when it has ended,
 * which must be by this exit status. */
static inline void run_again(char **argv, const char *how, int expected) {
    char folder[4096];
    int status;
    folder_of(how, folder, sizeof folder);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        mkdir(folder, 0700);
        setenv("TEST_TMP", folder, 1);
        execl("/proc/self/exe", argv[0], argv[1], how, (char *)NULL);
        _exit(99);
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected) fprintf(stderr, "%s: ", how);
    CHECK_EQUAL(WIFSIGNALED(status) ? WTERMSIG(status) : 0, 0);
    CHECK_EQUAL(WEXITSTATUS(status), expected);
}

/* What one of its words was when it ended. */
static inline uint32_t word_after(const char *how, size_t index) {
    char folder[4096], path[4096 + 8];
    uint32_t value;
    folder_of(how, folder, sizeof folder);
    snprintf(path, sizeof path, "%s/words", folder);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    CHECK(pread(file, &value, sizeof value, (off_t)(index * sizeof value)) == sizeof value);
    close(file);
    return value;
}

#endif
