/* When a program is killed while its first worker or its fork server still opens modules, all that it has
 * started ends, too. */
#include "forkserver.h"
#include <sys/wait.h>

enum { OPENING = WORD_FIRST, COUNT, STARTED, STARTED_MAX = 8 };

static void begin_and_die(const pool_options_t *options, char *slow) {
    const char *const modules[] = {slow, NULL};
    pool_options_t with = *options;
    with.modules = modules;
    with.min_workers = 1;
    new_pool(&with, 1);
    word_wait(OPENING, 1);
    pid_t pids[STARTED_MAX + 1];
    uint32_t count = 0;
    int n = processes_of_this_test(pids, COUNT_OF(pids));
    for (int i = 0; i < n; i++) {
        if (pids[i] != getppid()) word_set(STARTED + count++, (uint32_t)pids[i]);
    }
    word_set(COUNT, count);
    kill(getpid(), SIGKILL);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    char *slow = library_path("slow");
    pid_t host = fork();
    CHECK(host >= 0);
    if (host == 0) {
        begin_and_die(&options, slow);
        _exit(1);
    }
    int status;
    CHECK(waitpid(host, &status, 0) == host);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    uint32_t count = word_get(COUNT);
    CHECK(count > 0);
    for (uint32_t i = 0; i < count; i++) {
        while (!is_dead((pid_t)word_get(STARTED + i))) pause_briefly();
    }
    free(slow);
    return leaves_nothing_behind();
}
