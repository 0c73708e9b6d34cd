/* Shared by the programs that measure carpool, in addition to measure.h: checked calls, pools, workers. */
#ifndef BENCH_H
#define BENCH_H

#include "measure.h"
#include <carpool.h>

#define CHECK_OK(call) \
    do { \
        pool_status_t checked_ = (call); \
        if (checked_ != POOL_OK) { \
            die("%s:%d: %s: %s", __FILE__, __LINE__, #call, pool_status_name(checked_)); \
        } \
    } while (0)

/* Worker processes are not the program's children. Like this they become so, and measure.h finds them. */
__attribute__((constructor)) static inline void adopt_orphans(void) {
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
}

/* Collects a result of exactly len bytes. If the task failed, prints the message of its error. */
static inline const void *collect(future_t *future, size_t len) {
    const void *data;
    size_t got;
    pool_status_t status = future_collect(future, POOL_FOREVER, &data, &got);
    if (status != POOL_OK) {
        pool_error_t error = {0};
        future_error(future, &error);
        die("the task failed: %s: %s", pool_status_name(status), error.message);
    }
    CHECK(got == len);
    return data;
}

/* how is process (spawned), forkserver, fork or thread. */
static inline pool_options_t options_named(const char *how) {
    pool_options_t options = POOL_OPTIONS_INIT;
    if (strcmp(how, "thread") == 0) options.kind = POOL_THREAD;
    else if (strcmp(how, "forkserver") == 0) options.start = POOL_FORKSERVER;
    else if (strcmp(how, "fork") == 0) options.start = POOL_FORK;
    else if (strcmp(how, "process") != 0) die("not a kind of workers: %s", how);
    return options;
}

static inline pool_t *new_pool_with(const pool_options_t *options) {
    pool_t *pool;
    pool_error_t error = {0};
    pool_status_t status = pool_new(options, &pool, &error);
    if (status != POOL_OK) die("pool_new: %s: %s", pool_status_name(status), error.message);
    return pool;
}

static inline pool_t *new_pool(const char *how, uint32_t workers) {
    pool_options_t options = options_named(how);
    options.max_workers = workers;
    return new_pool_with(&options);
}

/* Takes long enough that one worker cannot run all of these tasks before the others have started. */
static inline int32_t nap(pool_task_t *task) {
    (void)task;
    usleep(2000);
    return 0;
}

/* Waits until all workers run. They start on demand, and starting one takes longer than many tasks, so this
 * is done before the measurement. */
static inline void start_workers(pool_t *pool, uint32_t workers) {
    future_t **futures = malloc(workers * sizeof *futures);
    CHECK(futures != NULL);
    for (int tries = 0; pool_count_workers(pool) < workers || tries == 0; tries++) {
        CHECK(tries < 1000);
        for (uint32_t i = 0; i < workers; i++) CHECK_OK(pool_submit(pool, nap, NULL, 0, &futures[i]));
        for (uint32_t i = 0; i < workers; i++) {
            collect(futures[i], 0);
            future_free(futures[i]);
        }
    }
    free(futures);
}

#endif
