/* A process that has no descriptor left for a while starts no workers meanwhile. The pool is not broken by
 * that: it goes on with the workers that it has, and starts others as soon as it can. */
#include "processes.h"
#include <sys/resource.h>

enum {
    FAILED_STARTS = WORD_FIRST,
    TRIES = 6, /* more than max_restarts is by default */
    LOW = 12,  /* descriptors that are kept, and closed when the others are at their limit */
};

static void count_failed_starts(pool_log_level_t level, const char *message, void *user) {
    (void)level;
    (void)user;
    if (strstr(message, "no worker could be started")) word_add(FAILED_STARTS, 1);
}

/* From now on no descriptor gets this number or a higher one. 0: the limit as it was. */
static void limit_descriptors(rlim_t first) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = first ? first : limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void await_failed_starts(pool_t *pool) {
    while (word_get(FAILED_STARTS) < TRIES) {
        CHECK_OK(pool_check(pool, NULL));
        pause_briefly();
    }
}

/* Starts a second worker, for a task or for a worker that was killed, while only so many descriptors
 * are free. */
static void start_one_more(const pool_options_t *options, uint32_t gate, int n_free) {
    int kept[LOW];
    future_t *running, *queued;
    for (int i = 0; i < LOW; i++) CHECK((kept[i] = fcntl(0, F_DUPFD_CLOEXEC, 3)) > 2);
    pool_t *pool = new_pool(options, 2);
    occupy(pool, gate, 1, &running);
    word_set(FAILED_STARTS, 0);
    for (int i = 0; i < n_free; i++) close(kept[i]);
    limit_descriptors((rlim_t)kept[0] + (rlim_t)n_free);

    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &queued));
    await_failed_starts(pool);
    limit_descriptors(0);
    CHECK_OK(future_wait(queued, POOL_FOREVER));
    CHECK_OK(pool_wait_ready(pool, 2, POOL_FOREVER));
    release(gate);
    CHECK_OK(future_wait(running, POOL_FOREVER));
    future_free(running);
    future_free(queued);
    pool_free(pool);
    for (int i = n_free; i < LOW; i++) close(kept[i]);
}

/* There is no worker yet, and a task has a deadline. */
static void start_the_first(const pool_options_t *options) {
    future_t *queued;
    pool_t *pool = new_pool(options, 2);
    word_set(FAILED_STARTS, 0);
    limit_descriptors(3);
    CHECK_IS(pool_run(pool, warm_up, NULL, 0, 1, NULL, 0, NULL), POOL_ERR_TIMEOUT);
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &queued));
    await_failed_starts(pool);
    limit_descriptors(0);
    CHECK_OK(future_wait(queued, POOL_FOREVER));
    CHECK_EQUAL(future_state(queued), FUTURE_COMPLETED);
    future_free(queued);
    pool_free(pool);
}

/* No worker is left. */
static void lose_all(pool_options_t options, uint32_t gate) {
    pid_t pids[2];
    pool_t *pool = new_pool(&options, 2);
    get_worker_pids(pool, gate, 2, pids);
    word_set(FAILED_STARTS, 0);
    limit_descriptors(3);
    for (int i = 0; i < 2; i++) kill(pids[i], SIGKILL);
    await_failed_starts(pool);
    limit_descriptors(0);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.log = count_failed_starts;
    /* Two are enough for a thread, or for a worker that is forked, but not for one that is executed. */
    int n_free = options.kind == POOL_PROCESS && options.start == POOL_SPAWN ? 4 : 2;
    for (int n = 0; n < n_free; n++) start_one_more(&options, (uint32_t)n, n);
    start_the_first(&options);
    options.min_workers = 2;
    if (options.kind == POOL_PROCESS) lose_all(options, GATES - 1);
    return leaves_nothing_behind();
}
