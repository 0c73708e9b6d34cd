/* A handle that was freed long ago is refused, while another thread makes and frees the pools that
 * have taken the place of its own. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

enum { STALE_THREADS = 3, BUFFER_LEN = 4096 };

/* Of a pool that was freed before the threads start. */
static pool_t *pool_handle;
static future_t *future_handle;
static pool_buffer_t *buffer_handle;
static atomic_bool is_over;

static int32_t nothing(pool_task_t *task) {
    (void)task;
    return 0;
}

static void use_future(void) {
    const void *data;
    size_t len, n_done;
    pool_error_t error;
    CHECK(!future_is_done(future_handle));
    CHECK(!future_cancel_requested(future_handle));
    CHECK(future_pool(future_handle) == NULL);
    CHECK_IS(future_wait(future_handle, POOL_FOREVER), POOL_ERR_INVALID);
    CHECK_IS(future_result(future_handle, &data, &len), POOL_ERR_INVALID);
    CHECK_IS(future_collect(future_handle, POOL_FOREVER, &data, &len), POOL_ERR_INVALID);
    CHECK_IS(future_error(future_handle, &error), POOL_ERR_INVALID);
    CHECK_IS(future_duration(future_handle, NULL, NULL), POOL_ERR_INVALID);
    CHECK_IS(future_wait_many(&future_handle, 1, POOL_WAIT_ALL, POOL_FOREVER, &n_done),
             POOL_ERR_INVALID);
    CHECK_IS(future_resolve(future_handle, NULL, 0), POOL_ERR_INVALID);
    future_free(future_handle);
}

static void use_pool_and_buffer(void) {
    future_t *future;
    pool_call_t call = POOL_CALL_INIT;
    CHECK_IS(pool_check(pool_handle, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_submit(pool_handle, nothing, NULL, 0, &future), POOL_ERR_INVALID);
    CHECK_IS(pool_close(pool_handle), POOL_ERR_INVALID);
    call.task.pointer = nothing;
    call.buffer = buffer_handle;
    CHECK_IS(pool_submit_call(pool_handle, &call, &future), POOL_ERR_INVALID);
    pool_free(pool_handle);
    pool_buffer_free(buffer_handle);
}

static void *use_stale_handles(void *unused) {
    (void)unused;
    while (!is_over) {
        use_future();
        use_pool_and_buffer();
    }
    return NULL;
}

static pool_t *pool_with_a_buffer(const pool_options_t *options, pool_buffer_t **buffer) {
    void *data;
    pool_t *pool = new_pool(options, 1);
    CHECK_OK(pool_buffer_new(pool, BUFFER_LEN, buffer, &data));
    return pool;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pthread_t threads[STALE_THREADS];

    pool_handle = pool_with_a_buffer(&options, &buffer_handle);
    CHECK_OK(pool_submit(pool_handle, nothing, NULL, 0, &future_handle));
    CHECK_OK(future_wait(future_handle, POOL_FOREVER));
    future_free(future_handle);
    pool_buffer_free(buffer_handle);
    pool_free(pool_handle);

    for (int i = 0; i < STALE_THREADS; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, use_stale_handles, NULL), 0);
    }
    const void *data;
    int pools = options.kind == POOL_PROCESS ? 60 : options.kind == POOL_THREAD ? 1000 : 8000;
    for (int i = 0; i < pools; i++) {
        pool_buffer_t *buffer;
        future_t *future;
        pool_t *pool = pool_with_a_buffer(&options, &buffer);
        CHECK_OK(pool_submit(pool, nothing, NULL, 0, &future));
        /* Its own handles are valid meanwhile. The future ends the life of every second pool. */
        CHECK_OK(future_collect(future, POOL_FOREVER, &data, NULL));
        pool_buffer_free(buffer);
        if (i % 2 == 0) future_free(future);
        pool_free(pool);
        if (i % 2 != 0) future_free(future);
    }
    is_over = true;
    for (int i = 0; i < STALE_THREADS; i++) CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
    return leaves_nothing_behind();
}
