/* The failure of an item affects no other item, whatever chunk it is in: the others keep their results, the
 * result of the failed one is empty, and the map returns the first failure in order. */
#include "rendezvous.h"

enum { N = 200 };

/* What is to become of an item, by its number. */
enum fate { GOOD, FAILS, FAILS_SILENTLY, TOO_LARGE, TOO_LARGE_IN_PLACE, SHORT, EMPTY, FATES };

static int32_t meet_fate(pool_task_t *task) {
    uint32_t n;
    uint64_t large[4] = {0, 0, 0, 0};
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    uint64_t result = UINT64_C(0x0101010101010101) * (n % 255 + 1);
    switch (n % FATES) {
    case FAILS:
        pool_task_return(task, &result, sizeof result);
        return pool_task_fail(task, (int32_t)n, "fails");
    case FAILS_SILENTLY:
        return -1;
    case TOO_LARGE:
        pool_task_return(task, large, sizeof large);
        return 0;
    case TOO_LARGE_IN_PLACE:
        pool_task_result(task, 9);
        return 0;
    case SHORT:
        return pool_task_return(task, &result, 3);
    case EMPTY:
        return 0;
    default:
        pool_task_return(task, large, 8); /* the last one counts */
        return pool_task_return(task, &result, sizeof result);
    }
}

static pool_status_t status_of(uint32_t n) {
    switch (n % FATES) {
    case FAILS:
    case FAILS_SILENTLY:
        return POOL_ERR_TASK;
    case TOO_LARGE:
    case TOO_LARGE_IN_PLACE:
        return POOL_ERR_TOO_LARGE;
    default:
        return POOL_OK;
    }
}

static uint64_t result_of(uint32_t n) {
    uint64_t result = UINT64_C(0x0101010101010101) * (n % 255 + 1), none = 0;
    if (n % FATES == GOOD) return result;
    if (n % FATES == SHORT) memcpy(&none, &result, 3);
    return none;
}

/* Of an array that begins with this number. */
static void map_from(pool_t *pool, uint32_t first, size_t chunk_size) {
    uint32_t items[N];
    uint64_t results[N];
    pool_status_t statuses[N], expected = POOL_OK;
    pool_map_options_t options = POOL_MAP_INIT;
    options.chunk_size = chunk_size;
    for (uint32_t i = 0; i < N; i++) {
        items[i] = first + i;
        if (expected == POOL_OK) expected = status_of(items[i]);
    }
    memset(results, 0xee, sizeof results);
    CHECK_IS(pool_map(pool, meet_fate, items, 4, N, &options, results, 8, statuses), expected);
    for (uint32_t i = 0; i < N; i++) {
        CHECK_IS(statuses[i], status_of(items[i]));
        CHECK_EQUAL(results[i], result_of(items[i]));
    }
    memset(results, 0xee, sizeof results);
    CHECK_IS(pool_map(pool, meet_fate, items, 4, N, &options, results, 8, NULL), expected);
    for (uint32_t i = 0; i < N; i++) CHECK_EQUAL(results[i], result_of(items[i]));
}

int main(int argc, char **argv) {
    static const size_t CHUNK_SIZES[] = {0, 1, 2, 5, 7, 64, 200, 1000};
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    for (size_t k = 0; k < COUNT_OF(CHUNK_SIZES); k++) {
        for (uint32_t first = 0; first < FATES; first++) map_from(pool, first, CHUNK_SIZES[k]);
    }
    /* Nobody is left with what others did. */
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
