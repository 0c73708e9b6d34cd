/* How long does it take until the first result of a new pool, and how long is its shutdown? And how long does
 * it take to start one more worker?
 *
 *     start process|forkserver|fork|thread POOLS */
#include "bench.h"

static int32_t answer(pool_task_t *task) {
    const uint64_t x = 42;
    return pool_task_return(task, &x, sizeof x);
}

int main(int argc, char **argv) {
    if (argc != 3) die("usage: %s process|forkserver|fork|thread POOLS", argv[0]);
    uint64_t pools = number(argv[2]);
    uint64_t *first_ns = new_touched(pools * sizeof *first_ns);
    uint64_t *stop_ns = new_touched(pools * sizeof *stop_ns);
    uint64_t *whole_ns = new_touched(pools * sizeof *whole_ns);
    uint64_t *more_ns = new_touched(pools * sizeof *more_ns);

    struct span span = span_begin();
    for (uint64_t i = 0; i < pools; i++) {
        uint64_t x, begin_ns = now_ns();
        pool_t *pool = new_pool(argv[1], 1);
        CHECK_OK(pool_run(pool, answer, NULL, 0, POOL_FOREVER, &x, sizeof x, NULL));
        CHECK(x == 42);
        uint64_t result_ns = now_ns();
        CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
        pool_free(pool);
        uint64_t end_ns = now_ns();
        first_ns[i] = result_ns - begin_ns;
        stop_ns[i] = end_ns - result_ns;
        whole_ns[i] = end_ns - begin_ns;
    }
    span_end(&span);
    for (uint64_t i = 0; i < pools; i++) {
        pool_t *pool = new_pool(argv[1], 2);
        CHECK_OK(pool_wait_ready(pool, 1, POOL_FOREVER));
        uint64_t begin_ns = now_ns();
        CHECK_OK(pool_wait_ready(pool, 2, POOL_FOREVER));
        more_ns[i] = now_ns() - begin_ns;
        pool_free(pool);
    }
    printf("{\"pools\": %" PRIu64 ", \"first_ns\": %" PRIu64 ", \"stop_ns\": %" PRIu64
           ", \"whole_ns\": %" PRIu64 ", \"more_ns\": %" PRIu64 ", \"cpu_ns\": %.1f}\n",
           pools, percentile(first_ns, pools, 50), percentile(stop_ns, pools, 50),
           percentile(whole_ns, pools, 50), percentile(more_ns, pools, 50),
           cpu_each_ns(&span, pools));
    return 0;
}
