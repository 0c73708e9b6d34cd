/* A program is executed again for its own functions, but only the first time does it reach main. */
#define NO_WORKER_MAIN
#include "rendezvous.h"

enum { MAIN_RAN = WORD_FIRST, WORKERS = 4 };

int main(int argc, char **argv) {
    word_add(MAIN_RAN, 1);
    pool_options_t options = test_begin(argc, argv);
    for (uint32_t round = 0; round < 3; round++) {
        pool_t *pool = new_pool(&options, WORKERS);
        future_t *futures[WORKERS];
        occupy(pool, round, WORKERS, futures);
        release(round);
        wait_and_free(futures, WORKERS);
        pool_free(pool);
    }
    CHECK_EQUAL(word_get(MAIN_RAN), 1);
    return leaves_nothing_behind();
}
