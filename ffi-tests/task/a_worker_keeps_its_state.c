/* Each worker has a pointer of its own: NULL at first, then what its last task left there. */
#include "rendezvous.h"

enum { WORKERS = 2, ROUNDS = 50 };

/* Counts in the worker's state, together with as many others as there are workers, so that each
 * worker has its share. */
static int32_t count_in_state(pool_task_t *task) {
    uint32_t round;
    memcpy(&round, pool_task_args(task, NULL), sizeof round);
    uintptr_t *count = (uintptr_t *)pool_task_state(task);
    CHECK(count != NULL);
    word_add(WORD_FIRST + round, 1);
    word_wait(WORD_FIRST + round, WORKERS);
    uint64_t seen = (*count)++;
    return pool_task_return(task, &seen, sizeof seen);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, WORKERS);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        future_t *futures[WORKERS];
        for (int i = 0; i < WORKERS; i++) {
            CHECK_OK(pool_submit(pool, count_in_state, &round, sizeof round, &futures[i]));
        }
        for (int i = 0; i < WORKERS; i++) CHECK_EQUAL(collect_number(futures[i]), round);
        wait_and_free(futures, WORKERS);
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
