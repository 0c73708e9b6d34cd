/* A copy of the caller is refused while other threads run in its process, in words, and made again when
 * they have ended. The library's own threads do not count, but those of thread pools, which run the
 * user's functions, do; and fork_with_threads takes the risk. */
#include "callbacks.h"
#include <pthread.h>

static void *wait_for_the_end(void *gate) {
    word_wait(gate_open((uint32_t)(uintptr_t)gate), 1);
    return NULL;
}

static void is_refused(const pool_options_t *options) {
    pool_error_t error;
    pool_t *pool;
    CHECK_IS(pool_new(options, &pool, &error), POOL_ERR_STATE);
    CHECK(pool == NULL);
    CHECK(strstr(error.message, "other threads") != NULL);
}

/* A worker process has a thread of the library's beside it. */
static int32_t copy_a_worker(pool_task_t *task) {
    pool_options_t options = POOL_OPTIONS_INIT;
    pool_t *pool;
    uint64_t n = 8;
    options.start = POOL_FORK;
    pool_status_t status = pool_new(&options, &pool, NULL);
    if (status == POOL_OK) {
        status = pool_run(pool, square, &n, sizeof n, POOL_FOREVER, &n, sizeof n, NULL);
        pool_free(pool);
    }
    return status ? status : pool_task_return(task, &n, sizeof n);
}

static void is_made(const pool_options_t *options) {
    pool_t *pool = new_pool(options, 1);
    uint64_t n = 7;
    CHECK_OK(pool_run(pool, square, &n, sizeof n, POOL_FOREVER, &n, sizeof n, NULL));
    CHECK_EQUAL(n, 49);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.start != POOL_FORK) return SKIPPED;
    pool_options_t risky = options;
    options.fork_with_threads = false;
    is_made(&options);

    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, wait_for_the_end, (void *)0) == 0);
    is_refused(&options);
    is_made(&risky);
    release(0);
    CHECK(pthread_join(thread, NULL) == 0);
    is_made(&options);

    /* A pool with a watch and a thread for callbacks. */
    pool_t *other = new_pool(&options, 1);
    future_t *future;
    CHECK_OK(pool_submit(other, warm_up, NULL, 0, &future));
    count_when_done(future, 0);
    await_drop(0);
    is_made(&options);
    future_free(future);
    pool_free(other);

    pool_options_t processes = POOL_OPTIONS_INIT;
    for (pool_start_t start = POOL_SPAWN; start <= POOL_FORK; start++) {
        uint64_t n = 0;
        processes.start = start;
        other = new_pool(&processes, 1);
        CHECK_OK(pool_run(other, copy_a_worker, NULL, 0, POOL_FOREVER, &n, sizeof n, NULL));
        CHECK_EQUAL(n, 64);
        pool_free(other);
    }

    pool_options_t threads = POOL_OPTIONS_INIT;
    threads.kind = POOL_THREAD;
    other = new_pool(&threads, 1);
    CHECK_OK(pool_run(other, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    is_refused(&options);
    pool_free(other);
    is_made(&options);
    return leaves_nothing_behind();
}
