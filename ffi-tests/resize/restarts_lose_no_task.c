/* A pool is restarted again and again while tasks come from several threads: every one of them completes,
 * and in the end every worker is another one. */
#include "lifecycle.h"
#include <pthread.h>

enum { WORKERS = 2, THREADS = 2, TASKS = 3000, RESTARTS = 4 };

static pool_t *pool;
static _Atomic int submitting = THREADS;

static void *submit_all(void *unused) {
    static _Thread_local future_t *futures[TASKS];
    for (uint64_t i = 0; i < TASKS; i++) {
        CHECK_OK(pool_submit(pool, square, &i, sizeof i, &futures[i]));
        if (i % 100 == 99) CHECK_EQUAL(collect_number(futures[i]), i * i);
    }
    for (uint64_t i = 0; i < TASKS; i++) {
        CHECK_EQUAL(collect_number(futures[i]), i * i);
        future_free(futures[i]);
    }
    submitting--;
    return unused;
}

/* The smallest and the largest number of a worker; 0 and 0 while one is missing. */
static void look_at_workers(uint64_t *oldest, uint64_t *newest) {
    pool_worker_info_t workers[WORKERS] = {{.struct_size = sizeof *workers}};
    size_t n;
    CHECK_OK(pool_workers(pool, workers, WORKERS, &n));
    int is_first_older = workers[0].id < workers[1].id;
    *oldest = n == WORKERS ? workers[!is_first_older].id : 0;
    *newest = n == WORKERS ? workers[is_first_older].id : 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pthread_t threads[THREADS];
    options.min_workers = WORKERS;
    count_lifecycle(&options);
    pool = new_pool(&options, WORKERS);
    CHECK_OK(pool_wait_ready(pool, 0, POOL_FOREVER));
    for (int i = 0; i < THREADS; i++) CHECK(!pthread_create(&threads[i], NULL, submit_all, NULL));
    for (int i = 0; i < RESTARTS; i++) {
        uint64_t oldest, before, newest;
        do look_at_workers(&oldest, &before);
        while (before == 0);
        CHECK_OK(pool_restart(pool, POOL_RESTART_GRACEFUL));
        if (i % 2) CHECK_OK(pool_restart(pool, POOL_RESTART_GRACEFUL));
        do look_at_workers(&oldest, &newest);
        while (oldest <= before);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK_EQUAL(submitting, 0);
    pool_free(pool);
    CHECK_EQUAL(word_get(INITIALIZED), word_get(FINALIZED));
    CHECK(word_get(INITIALIZED) >= WORKERS * (RESTARTS + 1));
    return leaves_nothing_behind();
}
