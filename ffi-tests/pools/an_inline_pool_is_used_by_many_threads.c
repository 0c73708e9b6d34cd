/* Many threads can use an inline pool at once: each thread runs its own tasks, at a worker index that no
 * other thread has at the same time, with the state of that index. */
#include "lifecycle.h"
#include <pthread.h>

enum { THREADS = 4, TASKS = 500, IN_PLACE = LIFECYCLE_FIRST };

static pool_t *pool;

static int32_t work(pool_task_t *task) {
    size_t place = IN_PLACE + pool_task_worker(task);
    pthread_t submitter;
    memcpy(&submitter, pool_task_args(task, NULL), sizeof submitter);
    CHECK(pthread_equal(submitter, pthread_self()));
    CHECK_EQUAL(word_add(place, 1), 0);
    CHECK_OK(count_task(task));
    CHECK_EQUAL(word_add(place, (uint32_t)-1), 1);
    return 0;
}

static void *submit(void *unused) {
    (void)unused;
    pthread_t self = pthread_self();
    for (int i = 0; i < TASKS; i++) {
        future_t *future;
        CHECK_OK(pool_submit(pool, work, &self, sizeof self, &future));
        CHECK_EQUAL(future_state(future), FUTURE_COMPLETED);
        future_free(future);
    }
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_INLINE) return SKIPPED;
    count_lifecycle(&options);
    pool = new_pool(&options, 2);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, submit, NULL);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK(word_get(INITIALIZED) >= 1 && word_get(INITIALIZED) <= THREADS);
    CHECK_EQUAL(word_get(FINALIZED), word_get(INITIALIZED));
    pool_free(pool);
    return leaves_nothing_behind();
}
