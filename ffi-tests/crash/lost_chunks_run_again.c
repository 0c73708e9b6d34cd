/* Maps in a pool with POOL_LOST_RETRY: items whose worker is lost run again, in chunks and lazily, and every
 * item has its result; one that always kills its worker fails, with no other item than those of its chunk. */
#include "lazy_map.h"
#include "processes.h"

enum { WORKERS = 2, ITEMS = 60, BAD = 17, CHUNK = 4, RUNS = WORD_FIRST, DEATHS = RUNS + ITEMS };

/* Squares; number BAD kills its worker as often as the word says. */
static int32_t square_or_die(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    uint32_t before = word_add(RUNS + n, 1);
    if (n == BAD && before < word_get(DEATHS)) raise(SIGKILL);
    n *= n;
    return pool_task_return(task, &n, sizeof n);
}

static void forget_runs(uint32_t deaths) {
    for (size_t i = 0; i < ITEMS; i++) word_set(RUNS + i, 0);
    word_set(DEATHS, deaths);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    static uint64_t items[ITEMS], results[ITEMS];
    static pool_status_t status[ITEMS];
    pool_map_options_t how = POOL_MAP_INIT;
    how.chunk_size = CHUNK;
    for (uint64_t i = 0; i < ITEMS; i++) items[i] = i;
    options.on_worker_lost = POOL_LOST_RETRY;
    options.retries = 2;
    pool_t *pool = new_pool(&options, WORKERS);

    forget_runs(2);
    CHECK_OK(pool_map(pool, square_or_die, items, 8, ITEMS, &how, results, 8, status));
    for (uint64_t i = 0; i < ITEMS; i++) {
        CHECK_IS(status[i], POOL_OK);
        CHECK_EQUAL(results[i], i * i);
        CHECK_EQUAL(word_get(RUNS + i) > 1, i / CHUNK == BAD / CHUNK && i <= BAD);
    }
    forget_runs(UINT32_MAX);
    CHECK_IS(pool_map(pool, square_or_die, items, 8, ITEMS, &how, results, 8, status),
             POOL_ERR_WORKER_LOST);
    for (uint64_t i = 0; i < ITEMS; i++) {
        CHECK_IS(status[i], i / CHUNK == BAD / CHUNK ? POOL_ERR_WORKER_LOST : POOL_OK);
    }
    CHECK_EQUAL(word_get(RUNS + BAD), 3);

    forget_runs(1);
    struct source source = {.end = ITEMS};
    pool_map_t *map = start_map(pool, square_or_die, &source, &how);
    for (uint64_t i = 0; i < ITEMS; i++) CHECK_EQUAL(take_square(map, &source), i);
    check_next(map, POOL_FOREVER, POOL_ERR_END);
    pool_map_free(map);
    pool_free(pool);
    return leaves_nothing_behind();
}
