/* A program that is stopped and continued, as by Ctrl-Z and fg, finds its pools as they were: tasks that ran or were
 * queued end, workers that were starting start, and no limit has passed that was not. */
#include "processes.h"
#include <sys/wait.h>

enum { ROUNDS = 5, TASKS = 40, WORKERS = 2, STARTED = WORD_FIRST, STOP_MS = 150 };

static int32_t take_a_moment(pool_task_t *task) {
    for (int i = 0; i < 3; i++) pause_briefly();
    return square(task);
}

static int live(pool_options_t *options) {
    future_t *futures[TASKS];
    if (options->kind == POOL_PROCESS) {
        options->start_timeout_ms = STOP_MS * 2 / 3; /* passes meanwhile; a start may have to be repeated */
        options->max_restarts = UINT32_MAX;
        options->hard_limit_ms = 60000;
    }
    for (int round = 0; round < ROUNDS; round++) {
        word_set(STARTED, (uint32_t)round + 1);
        pool_t *pool = new_pool(options, WORKERS);
        for (uint64_t i = 0; i < TASKS; i++) CHECK_OK(pool_submit(pool, take_a_moment, &i, sizeof i, &futures[i]));
        for (uint64_t i = 0; i < TASKS; i++) CHECK_EQUAL(collect_number(futures[i]), i * i);
        future_free_many(futures, TASKS);
        CHECK_OK(pool_check(pool, NULL));
        pool_free(pool);
    }
    return leaves_nothing_behind();
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (argc > 2) return live(&options);
    word(0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        execl("/proc/self/exe", argv[0], argv[1], "live", (char *)NULL);
        _exit(127);
    }
    int status;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        word_wait(STARTED, round);
        usleep(round * 700); /* another moment each time */
        if (is_dead(child)) break;
        kill(child, SIGSTOP);
        CHECK(waitpid(child, &status, WUNTRACED) == child);
        if (!WIFSTOPPED(status)) break;
        usleep(STOP_MS * 1000);
        kill(child, SIGCONT);
        if (round == ROUNDS) CHECK(waitpid(child, &status, 0) == child);
    }
    CHECK_EQUAL(status, 0);
    return leaves_nothing_behind();
}
