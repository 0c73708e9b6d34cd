/* A callback that was removed is not called, its pointer is dropped, and the others do not notice;
 * one that was called, or is being called, cannot be removed. However close it comes: removed or
 * called, never both and never neither. */
#include "callbacks.h"
#include <pthread.h>

enum { ROUNDS = 2000, RACES = 100 /* their first callback number */ };

static uint64_t own_id;

static void remove_itself(future_t *future, void *user) {
    CHECK_IS(future_remove_callback(future, own_id), POOL_ERR_STATE);
    count_call(future, user);
}

static void removed_before(pool_t *pool) {
    future_t *future = submit_to_gate(pool, 0), *other = submit_to_gate(pool, 0);
    uint64_t ids[5];
    for (size_t i = 0; i < 5; i++) ids[i] = count_when_done(future, i);
    CHECK_OK(future_on_done(future, remove_itself, user_of(5), count_drop, &own_id));

    CHECK_OK(future_remove_callback(future, ids[0]));
    check_counts(0, 0, 1);
    CHECK_OK(future_remove_callback(future, ids[2]));
    CHECK_OK(future_remove_callback(future, ids[4]));
    CHECK_IS(future_remove_callback(future, ids[2]), POOL_ERR_STATE);
    CHECK_IS(future_remove_callback(other, ids[1]), POOL_ERR_STATE);
    CHECK_IS(future_remove_callback(future, 0), POOL_ERR_STATE);
    CHECK_IS(future_remove_callback(future, UINT64_MAX), POOL_ERR_STATE);
    CHECK_IS(future_remove_callback(NULL, ids[1]), POOL_ERR_INVALID);

    /* When the last one is removed, none is left, and another may come. */
    uint64_t id = count_when_done(other, 6);
    CHECK_OK(future_remove_callback(other, id));
    count_when_done(other, 7);

    release(0);
    await_drop(5);
    await_drop(7);
    for (size_t i = 0; i < 5; i++) check_counts(i, i % 2, 1);
    for (size_t i = 5; i < 8; i++) check_counts(i, i != 6, 1);
    for (size_t i = 0; i < 5; i++) {
        CHECK_IS(future_remove_callback(future, ids[i]), POOL_ERR_STATE);
    }
    future_free(future);
    CHECK_IS(future_remove_callback(future, ids[1]), POOL_ERR_INVALID);
    future_free(other);
}

static void removed_while_it_ends(pool_t *pool) {
    int n_removed = 0;
    for (size_t i = RACES; i < RACES + ROUNDS; i++) {
        future_t *future;
        CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &future));
        uint64_t id = count_when_done(future, i);
        if (i % 3 == 0) CHECK_OK(future_wait(future, POOL_FOREVER));
        pool_status_t status = future_remove_callback(future, id);
        if (status != POOL_OK) CHECK_IS(status, POOL_ERR_STATE);
        await_drop(i);
        check_counts(i, status != POOL_OK, 1);
        n_removed += status == POOL_OK;
        future_free(future);
    }
    printf("%d of %d were removed\n", n_removed, ROUNDS);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    if (options.kind != POOL_INLINE) removed_before(pool);
    removed_while_it_ends(pool);
    pool_free(pool);
    for (size_t i = RACES; i < RACES + ROUNDS; i++) CHECK_EQUAL(word_get(drops_of(i)), 1);
    return leaves_nothing_behind();
}
