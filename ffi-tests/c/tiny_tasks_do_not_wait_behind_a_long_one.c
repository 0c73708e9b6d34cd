/* A worker that has taken several tiny tasks from the queue, and finds that one of them is long, does not hold
 * the others up until the queue is empty: another worker takes them over. */
#include "queue.h"

enum { TURN = WORD_FIRST, N = 100000, LONG = 1000, NEAR = 64 };

/* Its result is how many came before it. */
int32_t take_turn(pool_task_t *task) {
    uint32_t turn = atomic_fetch_add(word(TURN), 1);
    return pool_task_return(task, &turn, sizeof turn);
}

static future_t *futures[N];

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, 2);
    future_t *busy[2];
    occupy(pool, 1, 2, busy);

    for (int i = 0; i < N; i++) {
        if (i == LONG)
            futures[i] = submit_to_gate(pool, 0);
        else
            CHECK_OK(pool_submit(pool, take_turn, NULL, 0, &futures[i]));
    }
    release(1);
    for (int i = LONG + 1; i < LONG + NEAR; i++) {
        const void *turn;
        CHECK_OK(future_collect(futures[i], POOL_FOREVER, &turn, NULL));
        CHECK(*(const uint32_t *)turn < N / 2);
    }
    release(0);
    wait_and_free(busy, 2);
    wait_and_free(futures, N);
    pool_free(pool);
    return leaves_nothing_behind();
}
