/* pool_wait_ready starts workers and waits until their initializers have run; when the pool breaks or is
 * shut down it returns the reason. */
#include "lifecycle.h"
#include <pthread.h>

enum { WORKERS = 3, GATE = 0, FAILS = LIFECYCLE_FIRST };

int32_t begin_at_gate(pool_task_t *task) {
    (void)task;
    word_add(gate_started(GATE), 1);
    word_wait(gate_open(GATE), 1);
    if (word_get(FAILS)) return pool_task_fail(task, 7, "it cannot be");
    return 0;
}

static void *shut_down(void *pool) {
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    return NULL;
}

static void check_inline(pool_t *pool) {
    CHECK_OK(pool_wait_ready(pool, 0, 0));
    CHECK_OK(pool_wait_ready(pool, 1024, 0));
    CHECK_IS(pool_wait_ready(pool, 1025, 0), POOL_ERR_INVALID);
    CHECK_OK(pool_close(pool));
    CHECK_IS(pool_wait_ready(pool, 1, 0), POOL_ERR_CLOSED);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    CHECK_IS(pool_wait_ready(NULL, 1, 0), POOL_ERR_INVALID);
    pool_t *pool = new_pool(&options, WORKERS);
    if (options.kind == POOL_INLINE) {
        check_inline(pool);
        return leaves_nothing_behind();
    }
    CHECK_IS(pool_wait_ready(pool, WORKERS + 1, POOL_FOREVER), POOL_ERR_INVALID);
    CHECK_OK(pool_wait_ready(pool, 0, POOL_FOREVER));
    CHECK_EQUAL(pool_count_workers(pool), 1);
    CHECK_OK(pool_wait_ready(pool, 1, 0));
    CHECK_OK(pool_wait_ready(pool, WORKERS, POOL_FOREVER));
    CHECK_EQUAL(pool_count_workers(pool), WORKERS);
    CHECK_OK(pool_close(pool));
    CHECK_IS(pool_wait_ready(pool, 1, 0), POOL_ERR_CLOSED);
    pool_free(pool);

    pool_function_t begin = {begin_at_gate, NULL, NULL, NULL, 0};
    options.initializer = begin;
    pool = new_pool(&options, WORKERS);
    CHECK_IS(pool_wait_ready(pool, WORKERS, 0), POOL_ERR_TIMEOUT);
    word_wait(gate_started(GATE), WORKERS);
    CHECK_IS(pool_wait_ready(pool, 1, 20), POOL_ERR_TIMEOUT);
    release(GATE);
    CHECK_OK(pool_wait_ready(pool, WORKERS, POOL_FOREVER));
    pool_free(pool);

    reset_gate(GATE);
    word_set(FAILS, 1);
    pool = new_pool(&options, WORKERS);
    CHECK_IS(pool_wait_ready(pool, 2, 0), POOL_ERR_TIMEOUT);
    word_wait(gate_started(GATE), 2);
    release(GATE);
    CHECK_IS(pool_wait_ready(pool, 2, POOL_FOREVER), POOL_ERR_INITIALIZER);
    CHECK_IS(pool_wait_ready(pool, 2, POOL_FOREVER), POOL_ERR_INITIALIZER);
    pool_free(pool);

    /* A shutdown begins meanwhile. */
    reset_gate(GATE);
    word_set(FAILS, 0);
    pthread_t stopper;
    pool = new_pool(&options, WORKERS);
    CHECK_IS(pool_wait_ready(pool, 1, 0), POOL_ERR_TIMEOUT);
    word_wait(gate_started(GATE), 1);
    pthread_create(&stopper, NULL, shut_down, pool);
    CHECK_IS(pool_wait_ready(pool, 1, POOL_FOREVER), POOL_ERR_CLOSED);
    release(GATE);
    pthread_join(stopper, NULL);
    CHECK_IS(pool_wait_ready(pool, 1, POOL_FOREVER), POOL_ERR_CLOSED);
    pool_free(pool);

    /* Those that leave at once have been there. */
    reset_gate(GATE);
    release(GATE);
    options.idle_timeout_ms = POOL_NOW;
    pool = new_pool(&options, WORKERS);
    CHECK_OK(pool_wait_ready(pool, WORKERS, POOL_FOREVER));
    pool_free(pool);
    return leaves_nothing_behind();
}
