/* A submit that waits for room in the queue continues when a task starts or is cancelled; waiting submits
 * continue in FIFO order. */
#include "queue.h"

enum { COUNT = WORD_FIRST, SUBMITTERS = 3 };

int main(int argc, char **argv) {
    pool_options_t base = test_begin(argc, argv);
    skip_inline(&base);
    future_t *futures[2];
    submitter_t one;

    /* One is cancelled. */
    pool_t *pool = new_full_pool(&base, 0, 1, COUNT, futures);
    start_submitter(&one, pool, COUNT);
    await_waiting_submits(pool, 1);
    CHECK_OK(future_cancel(futures[1], POOL_CANCEL_QUEUED));
    CHECK_OK(join_submitter(&one));
    CHECK_EQUAL(pool_count_pending_tasks(pool), 1);
    release(0);
    wait_and_free(futures, 2);
    wait_and_free(&one.future, 1);
    CHECK_EQUAL(word_get(COUNT), 1);
    pool_free(pool);

    /* One is begun. The ids tell who was served first. */
    submitter_t line[SUBMITTERS];
    pool = new_full_pool(&base, 1, 1, COUNT, futures);
    for (int i = 0; i < SUBMITTERS; i++) {
        start_submitter(&line[i], pool, COUNT);
        await_waiting_submits(pool, (unsigned)i + 1);
    }
    future_t *late;
    CHECK_IS(submit_within(pool, count_in_word, COUNT, POOL_NOW, &late), POOL_ERR_FULL);
    release(1);
    for (int i = 0; i < SUBMITTERS; i++) {
        CHECK_OK(join_submitter(&line[i]));
        CHECK_EQUAL(future_id(line[i].future), 3 + (uint64_t)i);
        wait_and_free(&line[i].future, 1);
    }
    wait_and_free(futures, 2);
    CHECK_EQUAL(word_get(COUNT), 1 + 1 + SUBMITTERS);
    pool_free(pool);
    return leaves_nothing_behind();
}
