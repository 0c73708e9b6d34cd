/* How many items per second does pool_map process, 8 bytes each way?
 *
 *     map process|thread WORKERS ITEMS
 *
 * In the first map the workers run already, but the pool's memory is untouched. It is reported separately
 * from the median of the later ones. */
#include "bench.h"

enum { WARM_PASSES = 9, BUDGET_NS = 500000000 };

static int32_t twice_plus_one(pool_task_t *task) {
    uint64_t x;
    memcpy(&x, pool_task_args(task, NULL), sizeof x);
    x = x * 2 + 1;
    return pool_task_return(task, &x, sizeof x);
}

struct arrays {
    uint64_t *items, *results, n;
};

static struct span pass(pool_t *pool, struct arrays *arrays, uint64_t round) {
    for (uint64_t i = 0; i < arrays->n; i++) arrays->items[i] = round + i;
    struct span span = span_begin();
    CHECK_OK(pool_map(pool, twice_plus_one, arrays->items, sizeof *arrays->items, arrays->n, NULL,
                      arrays->results, sizeof *arrays->results, NULL));
    span_end(&span);
    for (uint64_t i = 0; i < arrays->n; i++) CHECK(arrays->results[i] == (round + i) * 2 + 1);
    return span;
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: %s process|thread WORKERS ITEMS", argv[0]);
    uint32_t workers = (uint32_t)number(argv[2]);
    uint64_t n = number(argv[3]), warm_ns[WARM_PASSES], cpu_ns = 0, began_ns;
    struct arrays arrays = {new_touched(n * 8), new_touched(n * 8), n};
    pool_t *pool = new_pool(argv[1], workers);
    start_workers(pool, workers);

    struct span cold = pass(pool, &arrays, 0);
    size_t passes = 0;
    for (began_ns = now_ns(); passes < WARM_PASSES && now_ns() - began_ns < BUDGET_NS; passes++) {
        struct span warm = pass(pool, &arrays, passes + 1);
        warm_ns[passes] = warm.wall_ns;
        cpu_ns += warm.self_cpu_ns + warm.children_cpu_ns;
    }
    printf("{\"items\": %" PRIu64 ", \"cold_ns\": %.3f, \"warm_ns\": %.3f, \"cpu_ns\": %.3f}\n", n,
           (double)cold.wall_ns / (double)n, (double)percentile(warm_ns, passes, 50) / (double)n,
           (double)cpu_ns / (double)(n * passes));
    pool_free(pool);
    return 0;
}
