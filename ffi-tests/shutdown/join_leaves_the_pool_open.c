/* After a join all workers have exited and the pool works on as before; it can be joined again. */
#include "rendezvous.h"

enum { ROUNDS = 10, TASKS = 50, RAN = WORD_FIRST };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    uint32_t ran = RAN;
    CHECK_OK(pool_join(pool, POOL_FOREVER)); /* nothing to wait for */
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < TASKS; i++) {
            CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, NULL));
        }
        CHECK_OK(pool_join(pool, POOL_FOREVER));
        CHECK_EQUAL(word_get(RAN), round * TASKS);
        CHECK_EQUAL(pool_count_workers(pool), 0);
        CHECK_EQUAL(pool_state(pool), 0);
        CHECK_OK(pool_check(pool, NULL));
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
