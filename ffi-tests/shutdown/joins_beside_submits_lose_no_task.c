/* While threads submit to a bounded queue, the pool is joined again and again. Every task that was
 * accepted runs. A join may refuse a submit as closed; none is refused because the queue is full, as
 * each of them waits for capacity. */
#include "queue.h"

enum { SUBMITTERS = 4, BATCH = 32, BOUND = 3 };

static pool_t *pool;
static _Atomic int stops;

static int32_t nothing(pool_task_t *task) {
    (void)task;
    return 0;
}

static void *submit_batches(void *argument) {
    (void)argument;
    future_t *futures[BATCH];
    while (!atomic_load(&stops)) {
        int n = 0;
        while (n < BATCH) {
            pool_status_t status = pool_submit(pool, nothing, NULL, 0, &futures[n]);
            if (status == POOL_ERR_CLOSED) break;
            CHECK_OK(status);
            n++;
        }
        for (int i = 0; i < n; i++) {
            const void *result;
            size_t len;
            CHECK_OK(future_collect(futures[i], POOL_FOREVER, &result, &len));
            future_free(futures[i]);
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.max_pending = BOUND;
    pool = new_pool(&options, 3);
    pthread_t threads[SUBMITTERS];
    for (int i = 0; i < SUBMITTERS; i++)
        CHECK(pthread_create(&threads[i], NULL, submit_batches, NULL) == 0);
    /* Where workers are processes, each round starts some. */
    int rounds = options.kind == POOL_PROCESS ? 200 : 3000;
    for (int round = 0; round < rounds; round++) CHECK_OK(pool_join(pool, POOL_FOREVER));
    atomic_store(&stops, 1);
    for (int i = 0; i < SUBMITTERS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    pool_free(pool);
    return leaves_nothing_behind();
}
