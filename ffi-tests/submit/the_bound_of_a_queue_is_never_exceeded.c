/* With eight threads that submit, the number of queued tasks never exceeds the bound, and all tasks run. */
#include "queue.h"

enum { COUNT = WORD_FIRST, THREADS = 8, EACH = 500, BOUND = 3 };

static pool_t *pool;
static _Atomic uint64_t most;

static void look(void) {
    uint64_t pending = pool_count_pending_tasks(pool), before = atomic_load(&most);
    while (pending > before && !atomic_compare_exchange_weak(&most, &before, pending)) continue;
}

static void *submit_many(void *argument) {
    (void)argument;
    uint32_t index = COUNT;
    for (int i = 0; i < EACH; i++) {
        CHECK_OK(pool_submit(pool, count_in_word, &index, sizeof index, NULL));
        look();
    }
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.max_pending = BOUND;
    pool = new_pool(&options, 2);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, submit_many, NULL) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(COUNT), THREADS * EACH);
    CHECK(atomic_load(&most) >= 1);
    CHECK(atomic_load(&most) <= BOUND);
    pool_free(pool);
    return leaves_nothing_behind();
}
