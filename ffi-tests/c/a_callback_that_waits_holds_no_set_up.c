/* A callback that takes its time holds up no set: futures that are done meanwhile come out of it. */
#include "callbacks.h"

static void wait_in_callback(future_t *future, void *user) {
    (void)future, (void)user;
    word_add(gate_started(9), 1);
    word_wait(gate_open(9), 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options); /* Callbacks run where they are added. */
    pool_t *pool = new_pool(&options, 2);
    future_set_t *set;
    future_t *first = submit_to_gate(pool, 0), *futures[2], *taken;
    CHECK_OK(future_set_new(&set));
    CHECK_OK(future_on_done(first, wait_in_callback, NULL, NULL, NULL));
    release(0);
    word_wait(gate_started(9), 1);

    for (uint32_t i = 0; i < 2; i++) {
        futures[i] = submit_to_gate(pool, 1 + i);
        CHECK_OK(future_set_add(set, futures[i]));
    }
    for (int i = 1; i >= 0; i--) {
        release(1 + (uint32_t)i);
        CHECK_OK(future_wait(futures[i], POOL_FOREVER));
        CHECK_OK(future_set_next(set, POOL_FOREVER, &taken));
        CHECK(taken == futures[i]);
    }
    release(9);
    wait_and_free(futures, 2);
    future_free(first);
    future_set_free(set);
    pool_free(pool);
    return leaves_nothing_behind();
}
