/* A slow callback does not delay any set: futures that are done meanwhile can be taken from it, and so can
 * promises while a callback of a promise runs. */
#include "callbacks.h"

static void wait_in_callback(future_t *future, void *user) {
    uint32_t gate = (uint32_t)(uintptr_t)user;
    (void)future;
    word_add(gate_started(gate), 1);
    word_wait(gate_open(gate), 1);
}

static void beside_a_promise(future_set_t *set) {
    future_t *promises[2], *taken;
    for (int i = 0; i < 2; i++) CHECK_OK(future_new_promise(&promises[i]));
    CHECK_OK(future_on_done(promises[0], wait_in_callback, user_of(8), NULL, NULL));
    CHECK_OK(future_resolve(promises[0], NULL, 0));
    word_wait(gate_started(8), 1);
    CHECK_OK(future_set_add(set, promises[1]));
    CHECK_OK(future_resolve(promises[1], NULL, 0));
    CHECK_OK(future_set_next(set, POOL_FOREVER, &taken));
    CHECK(taken == promises[1]);
    release(8);
    for (int i = 0; i < 2; i++) future_free(promises[i]);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options); /* Callbacks run where they are added. */
    pool_t *pool = new_pool(&options, 2);
    future_set_t *set;
    future_t *first = submit_to_gate(pool, 0), *futures[2], *taken;
    CHECK_OK(future_set_new(&set));
    CHECK_OK(future_on_done(first, wait_in_callback, user_of(9), NULL, NULL));
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
    beside_a_promise(set);
    future_set_free(set);
    pool_free(pool);
    return leaves_nothing_behind();
}
