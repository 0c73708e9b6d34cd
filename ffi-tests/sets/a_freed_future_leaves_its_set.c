/* A future that is freed leaves its sets without a word, done or not; sets and pools may be freed
 * while futures are in them; and what is freed, or was none, is refused. */
#include "rendezvous.h"
#include <poll.h>
#include <pthread.h>

static void check_next(future_set_t *set, int64_t timeout_ms, pool_status_t status) {
    future_t *taken;
    CHECK_IS(future_set_next(set, timeout_ms, &taken), status);
    CHECK(taken == NULL);
}

static int is_readable(future_set_t *set) {
    struct pollfd poll_fd = {future_set_fd(set), POLLIN, 0};
    return poll(&poll_fd, 1, 0) == 1;
}

static void *wait_for_the_end(void *set) {
    check_next((future_set_t *)set, POOL_FOREVER, POOL_ERR_END);
    return NULL;
}

static void while_somebody_waits(void) {
    future_set_t *set;
    future_t *promises[2];
    pthread_t thread;
    CHECK_OK(future_set_new(&set));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(future_new_promise(&promises[i]));
        CHECK_OK(future_set_add(set, promises[i]));
    }
    pthread_create(&thread, NULL, wait_for_the_end, set);
    for (int i = 0; i < 3; i++) pause_briefly();
    for (int i = 0; i < 2; i++) future_free(promises[i]);
    pthread_join(thread, NULL);
    future_set_free(set);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    future_set_t *set, *other;
    future_t *futures[6], *taken;
    int can_wait = options.kind != POOL_INLINE;
    uint32_t gate = 0;
    CHECK_OK(future_set_new(&set));
    CHECK_OK(future_set_new(&other));
    if (!can_wait) release(gate);

    /* Not done. */
    for (int i = 0; i < 6; i++) {
        CHECK_OK(pool_submit(pool, wait_at_gate, &gate, sizeof gate, &futures[i]));
        CHECK_OK(future_set_add(set, futures[i]));
        CHECK_OK(future_set_add(set, futures[i]));
        CHECK_OK(future_set_add(other, futures[i]));
    }
    CHECK_EQUAL(is_readable(set), !can_wait);
    for (int i = 0; i < 6; i += 2) future_free(futures[i]);
    if (can_wait) check_next(set, 0, POOL_ERR_TIMEOUT);
    release(gate);
    for (int i = 1; i < 6; i += 2) {
        for (int k = 0; k < 2; k++) {
            CHECK_OK(future_set_next(set, POOL_FOREVER, &taken));
            if (can_wait) CHECK(taken == futures[1] || taken == futures[3] || taken == futures[5]);
        }
    }
    check_next(set, POOL_FOREVER, POOL_ERR_END);
    CHECK(!is_readable(set));

    /* Done, but not taken out. */
    CHECK_OK(future_wait_many(&futures[1], 1, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    future_free(futures[1]);
    CHECK_OK(future_set_next(other, POOL_FOREVER, &taken));
    CHECK(taken == futures[3] || taken == futures[5]);
    future_free(futures[3]);
    future_free(futures[5]);
    check_next(other, POOL_FOREVER, POOL_ERR_END);

    while_somebody_waits();

    /* The set goes before its futures, the pool before both. */
    for (int i = 0; i < 2; i++) {
        CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &futures[i]));
        CHECK_OK(future_set_add(set, futures[i]));
        CHECK_OK(future_set_add(other, futures[i]));
    }
    future_set_free(set);
    pool_free(pool);
    for (int i = 0; i < 2; i++) CHECK_OK(future_set_next(other, 0, &taken));
    for (int i = 0; i < 2; i++) CHECK_OK(future_set_add(other, futures[i]));
    future_set_free(other);
    for (int i = 0; i < 2; i++) future_free(futures[i]);

    CHECK_IS(future_set_add(other, futures[0]), POOL_ERR_INVALID);
    check_next(other, POOL_FOREVER, POOL_ERR_INVALID);
    check_next(NULL, POOL_FOREVER, POOL_ERR_INVALID);
    CHECK_EQUAL(future_set_fd(other), -1);
    CHECK_EQUAL(future_set_fd(NULL), -1);
    CHECK_IS(future_set_new(NULL), POOL_ERR_INVALID);
    future_set_free(other);
    future_set_free(NULL);
    CHECK_OK(future_set_new(&set));
    CHECK_IS(future_set_add(set, futures[0]), POOL_ERR_INVALID);
    CHECK_IS(future_set_add(set, NULL), POOL_ERR_INVALID);
    CHECK_IS(future_set_add(NULL, NULL), POOL_ERR_INVALID);
    CHECK_IS(future_set_next(set, 0, NULL), POOL_ERR_INVALID);
    check_next(set, POOL_FOREVER, POOL_ERR_END);
    future_set_free(set);
    return leaves_nothing_behind();
}
