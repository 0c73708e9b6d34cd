/* How many items per second can one thread process that calls a function for each, 8 bytes each way?
 *
 *     map ITEMS */
#include "bench.h"

enum { PASSES = 15 };

static void twice_plus_one(const uint64_t *item, uint64_t *result) {
    *result = *item * 2 + 1;
}

/* volatile keeps the compiler from inlining the function into the loop. */
static void (*volatile function)(const uint64_t *item, uint64_t *result) = twice_plus_one;

int main(int argc, char **argv) {
    if (argc != 2) die("usage: %s ITEMS", argv[0]);
    uint64_t n = number(argv[1]), each_ns[PASSES];
    uint64_t *items = new_touched(n * 8), *results = new_touched(n * 8);
    struct span span = span_begin();
    for (int pass = 0; pass < PASSES; pass++) {
        uint64_t begin_ns = now_ns();
        for (uint64_t i = 0; i < n; i++) function(&items[i], &results[i]);
        each_ns[pass] = now_ns() - begin_ns;
    }
    span_end(&span);
    CHECK(results[n - 1] == items[n - 1] * 2 + 1);
    printf("{\"items\": %" PRIu64 ", \"warm_ns\": %.3f, \"cpu_ns\": %.3f}\n", n,
           (double)percentile(each_ns, PASSES, 50) / (double)n, cpu_each_ns(&span, n * PASSES));
    return 0;
}
