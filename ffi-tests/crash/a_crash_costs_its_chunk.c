/* A worker that dies in an item of a map takes the items of that chunk with it, and no others: they
 * say that their worker was lost, and have no results. */
#include "processes.h"

enum { N = 1000, BAD = 335, WORST = 777 };

static uint64_t items[N], results[N];
static pool_status_t statuses[N];

static int32_t die_at_bad(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    if (n == BAD) raise(SIGSEGV);
    if (n == WORST) _exit(3);
    return square(task);
}

static void check_items(size_t chunk_size) {
    size_t n_lost = 0;
    for (uint64_t i = 0; i < N; i++) {
        int is_in_chunk = chunk_size > 0 && (i / chunk_size == BAD / chunk_size ||
                                             i / chunk_size == WORST / chunk_size);
        if (statuses[i] == POOL_ERR_WORKER_LOST) {
            n_lost++;
            if (chunk_size > 0) CHECK(is_in_chunk);
            CHECK_EQUAL(results[i], 0);
        } else {
            CHECK_IS(statuses[i], POOL_OK);
            CHECK(!is_in_chunk);
            CHECK_EQUAL(results[i], i * i);
        }
    }
    CHECK_IS(statuses[BAD], POOL_ERR_WORKER_LOST);
    CHECK_IS(statuses[WORST], POOL_ERR_WORKER_LOST);
    CHECK(n_lost >= 2 && (chunk_size != 1 || n_lost == 2));
}

/* Lazily: each item tells which death was its own. */
static uint64_t pulled;

static pool_status_t next_number(void *user, const void **item, size_t *len) {
    (void)user;
    if (pulled == N) return POOL_ERR_END;
    *item = &items[pulled++];
    *len = 8;
    return POOL_OK;
}

static void map_lazily(pool_t *pool, size_t chunk_size) {
    pool_map_options_t options = POOL_MAP_INIT;
    pool_map_t *map;
    pool_error_t error;
    options.chunk_size = chunk_size;
    pulled = 0;
    CHECK_OK(pool_map_start(pool, die_at_bad, next_number, NULL, &options, &map));
    for (uint64_t i = 0; i < N; i++) {
        const void *data;
        uint64_t index;
        size_t len;
        statuses[i] = pool_map_next(map, POOL_FOREVER, &data, &len, &index);
        CHECK_EQUAL(index, i);
        CHECK_OK(pool_map_error(map, &error));
        CHECK_IS(error.status, statuses[i]);
        if (statuses[i] == POOL_OK) {
            CHECK_EQUAL(len, 8);
            memcpy(&results[i], data, 8);
        } else {
            CHECK(data == NULL && error.worker_pid > 0);
            CHECK(error.signal == SIGSEGV || error.exit_code == 3);
            results[i] = 0;
        }
    }
    CHECK_IS(pool_map_next(map, POOL_FOREVER, &(const void *){NULL}, NULL, NULL), POOL_ERR_END);
    pool_map_free(map);
    check_items(chunk_size);
}

int main(int argc, char **argv) {
    static const size_t CHUNK_SIZES[] = {0, 1, 10, 100};
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    pool_t *pool = new_pool(&options, 2);
    for (uint64_t i = 0; i < N; i++) items[i] = i;
    for (size_t k = 0; k < COUNT_OF(CHUNK_SIZES); k++) {
        pool_map_options_t with = POOL_MAP_INIT;
        with.chunk_size = CHUNK_SIZES[k];
        memset(results, 0xee, sizeof results);
        CHECK_IS(pool_map(pool, die_at_bad, items, 8, N, &with, results, 8, statuses),
                 POOL_ERR_WORKER_LOST);
        check_items(with.chunk_size);

        future_t *future;
        memset(results, 0xee, sizeof results);
        CHECK_OK(pool_map_async(pool, die_at_bad, items, 8, N, &with, results, 8, statuses,
                                &future));
        CHECK_IS(future_collect(future, POOL_FOREVER, &(const void *){NULL}, NULL),
                 POOL_ERR_WORKER_LOST);
        future_free(future);
        check_items(with.chunk_size);

        map_lazily(pool, with.chunk_size);
    }

    /* A chunk that was made by hand is lost as a whole. */
    future_t *future;
    CHECK_OK(pool_submit_chunk(pool, die_at_bad, &items[BAD - 2], 8, 5, 8, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_EQUAL(check_lost(future).signal, SIGSEGV);
    future_free(future);

    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
