/* Tasks are numbered in each pool from 1, and know their number. */
#include "rendezvous.h"

static int32_t tell_id(pool_task_t *task) {
    uint64_t id = pool_task_id(task);
    return pool_task_return(task, &id, sizeof id);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    for (int round = 0; round < 2; round++) {
        pool_t *pool = new_pool(&options, 2);
        for (uint64_t id = 1; id <= 20; id++) {
            /* A task without a future has a number too. */
            if (id % 4 == 0) {
                CHECK_OK(pool_submit(pool, tell_id, NULL, 0, NULL));
                continue;
            }
            future_t *future;
            CHECK_OK(pool_submit(pool, tell_id, NULL, 0, &future));
            CHECK_EQUAL(future_id(future), id);
            CHECK_EQUAL(collect_number(future), id);
            future_free(future);
        }
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
