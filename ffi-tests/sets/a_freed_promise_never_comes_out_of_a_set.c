/* A promise that is freed before it was resolved leaves its sets, and is never returned by one, however
 * close in time both are. */
#include "rendezvous.h"
#include <pthread.h>

enum { ROUNDS = 50000 };

static future_set_t *set;
static future_t *kept;
static _Atomic int is_over;

/* What comes out is only what was kept. */
static void *take_all(void *unused) {
    (void)unused;
    while (!atomic_load(&is_over)) {
        future_t *taken;
        pool_status_t status = future_set_next(set, POOL_FOREVER, &taken);
        CHECK_OK(status);
        CHECK(taken == kept);
    }
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_THREAD) return SKIPPED; /* Promises belong to no kind. */
    pthread_t taker;
    future_t *promise;
    CHECK_OK(future_set_new(&set));
    CHECK_OK(future_new_promise(&kept));
    CHECK_OK(future_set_add(set, kept));
    pthread_create(&taker, NULL, take_all, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_OK(future_new_promise(&promise));
        CHECK_OK(future_set_add(set, promise));
        future_free(promise);
    }
    atomic_store(&is_over, 1);
    CHECK_OK(future_resolve(kept, NULL, 0));
    pthread_join(taker, NULL);
    future_free(kept);
    future_set_free(set);
    return leaves_nothing_behind();
}
