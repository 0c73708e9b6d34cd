/* Several threads add thousands of futures of several pools to a set, while others take them out, and others
 * free some of them: each is returned as many times as it was added, and no thread is left waiting. */
#include "rendezvous.h"
#include <pthread.h>

enum { FEEDERS = 3, TAKERS = 3, EACH = 2000, TAKEN = WORD_FIRST };

static pool_t *pools[2];
static future_set_t *set;
static _Atomic uint32_t n_taken;

/* Number n * FEEDERS + its own; a promise now and then. */
static void *feed(void *argument) {
    uint64_t own = (uintptr_t)argument;
    for (uint64_t n = 0; n < EACH; n++) {
        uint64_t number = n * FEEDERS + own;
        future_t *future, *freed;
        if (n % 10 == 0) {
            CHECK_OK(future_new_promise(&future));
            CHECK_OK(future_set_add(set, future));
            number *= number;
            CHECK_OK(future_resolve(future, &number, sizeof number));
        } else {
            CHECK_OK(pool_submit(pools[n % 2], square, &number, sizeof number, &future));
            CHECK_OK(future_set_add(set, future));
        }
        if (n % 4 == 0) {
            CHECK_OK(future_new_promise(&freed));
            CHECK_OK(future_set_add(set, freed));
            future_free(freed);
        }
    }
    return NULL;
}

static uint32_t root_of(uint64_t number) {
    uint32_t root = 0;
    while ((uint64_t)root * root < number) root++;
    return root;
}

static void *take(void *unused) {
    (void)unused;
    while (atomic_load(&n_taken) < FEEDERS * EACH) {
        future_t *future;
        pool_status_t status = future_set_next(set, 20, &future);
        if (status == POOL_ERR_END) {
            pause_briefly();
        } else if (status != POOL_ERR_TIMEOUT) {
            CHECK_OK(status);
            word_add(TAKEN + root_of(collect_number(future)), 1);
            future_free(future);
            atomic_fetch_add(&n_taken, 1);
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pthread_t threads[FEEDERS + TAKERS];
    future_t *taken;
    for (int i = 0; i < 2; i++) pools[i] = new_pool(&options, 2);
    CHECK_OK(future_set_new(&set));
    for (uintptr_t i = 0; i < FEEDERS; i++) pthread_create(&threads[i], NULL, feed, (void *)i);
    for (int i = 0; i < TAKERS; i++) pthread_create(&threads[FEEDERS + i], NULL, take, NULL);
    for (int i = 0; i < FEEDERS + TAKERS; i++) pthread_join(threads[i], NULL);
    CHECK_IS(future_set_next(set, POOL_FOREVER, &taken), POOL_ERR_END);
    for (uint32_t i = 0; i < FEEDERS * EACH; i++) CHECK_EQUAL(word_get(TAKEN + i), 1);
    future_set_free(set);

    /* Many are put in before the first is taken out, some of them freed in between. */
    enum { MANY = 5000 };
    static future_t *futures[MANY];
    uint32_t left = 0;
    CHECK_OK(future_set_new(&set));
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(pool_submit(pools[i % 2], warm_up, NULL, 0, &futures[i]));
        CHECK_OK(future_set_add(set, futures[i]));
    }
    for (int i = 0; i < MANY; i += 5) future_free(futures[i]);
    while (future_set_next(set, POOL_FOREVER, &taken) == POOL_OK) {
        left++;
        future_free(taken);
    }
    CHECK_EQUAL(left, MANY - MANY / 5);
    future_set_free(set);
    for (int i = 0; i < 2; i++) pool_free(pools[i]);
    return leaves_nothing_behind();
}
