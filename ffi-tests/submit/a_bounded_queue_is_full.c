/* With max_pending of two the third submit fails, at once or after its timeout, and nothing is lost:
 * everything that was passed with the task is given back. */
#include "queue.h"

enum { COUNT = WORD_FIRST };

static int drops;

static void count_drop(void *user) {
    (void)user;
    drops++;
}

static void on_done(future_t *future, void *user) {
    (void)future, (void)user;
}

int main(int argc, char **argv) {
    pool_options_t base = test_begin(argc, argv);
    skip_inline(&base);
    future_t *futures[3], *future;
    pool_t *pool = new_full_pool(&base, 0, 2, COUNT, futures);
    CHECK_EQUAL(pool_count_pending_tasks(pool), 2);
    CHECK_IS(submit_within(pool, count_in_word, COUNT, POOL_NOW, &future), POOL_ERR_FULL);
    CHECK(future == NULL);
    CHECK_IS(submit_within(pool, count_in_word, COUNT, 20, &future), POOL_ERR_FULL);
    CHECK(future == NULL);
    uint32_t index = COUNT;
    CHECK_IS(pool_run(pool, count_in_word, &index, sizeof index, 10, NULL, 0, NULL), POOL_ERR_FULL);

    /* The buffer is taken over, and the callback's pointer is given back. */
    void *data;
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = count_in_word;
    CHECK_OK(pool_buffer_new(pool, 1 << 20, &call.buffer, &data));
    memset(data, 0, 1 << 20);
    call.submit_timeout_ms = POOL_NOW;
    call.on_done = on_done;
    call.drop = count_drop;
    CHECK_IS(pool_submit_call(pool, &call, &future), POOL_ERR_FULL);
    CHECK_EQUAL(drops, 1);
    CHECK_EQUAL(pool_count_pending_tasks(pool), 2);

    release(0);
    wait_and_free(futures, 3);
    CHECK_EQUAL(word_get(COUNT), 2);
    CHECK_OK(submit_within(pool, count_in_word, COUNT, POOL_NOW, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    future_free(future);

    pool_options_t options = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &options));
    CHECK_EQUAL(options.max_pending, 2);
    pool_free(pool);
    return leaves_nothing_behind();
}
