/* Promises need no pool: they are made before the first, kept after the last, and when the last of
 * them is freed nothing is left of them. */
#include "callbacks.h"
#include <pthread.h>

enum { N = 50, THREADS = 4, ROUNDS = 300 };

static void keep_one(uint64_t number) {
    future_t *promise;
    CHECK_OK(future_new_promise(&promise));
    CHECK_OK(future_resolve(promise, &number, sizeof number));
    CHECK_EQUAL(collect_number(promise), number);
    future_free(promise);
}

/* Callbacks of promises are called by a thread that comes and goes with them. */
static void *keep_many(void *unused) {
    (void)unused;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        future_t *promise;
        keep_one(i);
        CHECK_OK(future_new_promise(&promise));
        CHECK_OK(future_on_done(promise, count_call, user_of(0), count_drop, NULL));
        CHECK_OK(i % 2 ? future_resolve(promise, NULL, 0) : future_reject(promise, 1, NULL));
        future_free(promise);
    }
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    future_t *promises[N];
    keep_one(1);
    CHECK_EQUAL(leaves_nothing_behind(), 0);

    for (size_t i = 0; i < N; i++) CHECK_OK(future_new_promise(&promises[i]));
    CHECK_EQUAL(pool_count_live(), 0); /* they are in no pool of the caller's */
    pool_t *pool = new_pool(&options, 1);
    for (uint64_t i = 0; i < N / 2; i++) CHECK_OK(future_resolve(promises[i], &i, sizeof i));
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_EQUAL(pool_count_live(), 1);
    CHECK_OK(pool_shutdown_all(POOL_STOP_CANCEL, POOL_FOREVER));
    pool_free(pool);
    for (uint64_t i = N / 2; i < N; i++) CHECK_OK(future_resolve(promises[i], &i, sizeof i));
    for (uint64_t i = 0; i < N; i++) CHECK_EQUAL(collect_number(promises[i]), i);
    for (size_t i = 0; i < N; i++) future_free(promises[i]);
    CHECK_EQUAL(leaves_nothing_behind(), 0);

    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, keep_many, NULL);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    word_wait(drops_of(0), THREADS * ROUNDS);
    check_counts(0, THREADS * ROUNDS, THREADS * ROUNDS);
    return leaves_nothing_behind();
}
