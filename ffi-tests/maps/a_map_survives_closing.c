/* A map that has begun comes to its end when its pool is closed, joined or drained meanwhile, and
 * nothing else does; when the pool is stopped, what was not run is cancelled. */
#include "rendezvous.h"
#include <pthread.h>

enum { N = 300, RUNS = WORD_FIRST };

struct mapping {
    pool_t *pool;
    uint32_t gate;
    pool_status_t status;
    uint64_t results[N];
    pool_status_t statuses[N];
};

/* The first item waits at the gate. */
static int32_t wait_at_first(pool_task_t *task) {
    uint32_t item[2];
    memcpy(item, pool_task_args(task, NULL), sizeof item);
    if (item[0] == 0) {
        word_add(gate_started(item[1]), 1);
        word_wait(gate_open(item[1]), 1);
    }
    uint64_t result = (uint64_t)item[0] * item[0];
    word_add(RUNS + item[0], 1);
    return pool_task_return(task, &result, sizeof result);
}

static void *map(void *argument) {
    struct mapping *mapping = (struct mapping *)argument;
    pool_map_options_t options = POOL_MAP_INIT;
    uint32_t items[N][2];
    options.chunk_size = 1;
    for (uint32_t i = 0; i < N; i++) items[i][0] = i, items[i][1] = mapping->gate;
    mapping->status = pool_map(mapping->pool, wait_at_first, items, sizeof *items, N, &options,
                               mapping->results, 8, mapping->statuses);
    return NULL;
}

static pthread_t begin(struct mapping *mapping, pool_t *pool, uint32_t gate) {
    pthread_t thread;
    *mapping = (struct mapping){.pool = pool, .gate = gate};
    pthread_create(&thread, NULL, map, mapping);
    word_wait(gate_started(gate), 1);
    return thread;
}

static void check_all(const struct mapping *mapping) {
    CHECK_IS(mapping->status, POOL_OK);
    for (uint64_t i = 0; i < N; i++) {
        CHECK_IS(mapping->statuses[i], POOL_OK);
        CHECK_EQUAL(mapping->results[i], i * i);
    }
}

static void *join_it(void *pool) {
    CHECK_OK(pool_join((pool_t *)pool, POOL_FOREVER));
    return NULL;
}

static void *drain_it(void *pool) {
    CHECK_OK(pool_shutdown((pool_t *)pool, POOL_STOP_DRAIN, POOL_FOREVER));
    return NULL;
}

static void runs_to_its_end(const pool_options_t *options) {
    static struct mapping mapping;
    pool_t *pool = new_pool(options, 2);
    pthread_t mapper = begin(&mapping, pool, 0), other;

    /* Joined: closed for others as long as that takes, and open again afterwards. */
    CHECK_IS(pool_join(pool, 10), POOL_ERR_TIMEOUT);
    pthread_create(&other, NULL, join_it, pool);
    while (!(pool_state(pool) & POOL_STATE_JOINING)) pause_briefly();
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, NULL), POOL_ERR_CLOSED);
    release(0);
    pthread_join(other, NULL);
    pthread_join(mapper, NULL);
    check_all(&mapping);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));

    /* Closed. */
    mapper = begin(&mapping, pool, 1);
    CHECK_OK(pool_close(pool));
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, NULL), POOL_ERR_CLOSED);
    release(1);
    pthread_join(mapper, NULL);
    check_all(&mapping);
    CHECK_IS(pool_map(pool, warm_up, NULL, 0, 5, NULL, NULL, 0, NULL), POOL_ERR_CLOSED);
    pool_free(pool);

    /* Drained. */
    pool = new_pool(options, 1);
    mapper = begin(&mapping, pool, 2);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_DRAIN, 0), POOL_ERR_TIMEOUT);
    pthread_create(&other, NULL, drain_it, pool);
    release(2);
    pthread_join(other, NULL);
    pthread_join(mapper, NULL);
    check_all(&mapping);
    pool_free(pool);
}

/* One worker waits at the gate, the other has run what was handed out behind that. */
static void is_stopped(const pool_options_t *options, pool_stop_t mode, uint32_t gate) {
    static struct mapping mapping;
    pool_t *pool = new_pool(options, 2);
    for (size_t i = 0; i < N; i++) word_set(RUNS + i, 0);
    pthread_t mapper = begin(&mapping, pool, gate);
    int is_killed = mode == POOL_STOP_KILL && options->kind == POOL_PROCESS;
    if (options->kind != POOL_INLINE) {
        word_wait(RUNS + 1, 1);
        await_busy_workers(pool, 1);
    }
    pool_status_t status = pool_shutdown(pool, mode, is_killed ? POOL_FOREVER : 0);
    if (!is_killed) CHECK_IS(status, POOL_ERR_TIMEOUT);
    release(gate);
    pthread_join(mapper, NULL);
    pool_free(pool);
    /* What ran has its result, if it was not killed; what did not is cancelled. */
    CHECK_IS(mapping.status, is_killed ? POOL_ERR_TERMINATED : POOL_ERR_CANCELLED);
    for (uint64_t i = 0; i < N; i++) {
        uint32_t runs = word_get(RUNS + i);
        pool_status_t expected = runs ? POOL_OK : POOL_ERR_CANCELLED;
        if (is_killed && i == 0) expected = POOL_ERR_TERMINATED;
        CHECK_IS(mapping.statuses[i], expected);
        CHECK_EQUAL(mapping.results[i], expected == POOL_OK ? i * i : 0);
    }
    CHECK_EQUAL(word_get(RUNS + N - 1), 0);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    runs_to_its_end(&options);
    is_stopped(&options, POOL_STOP_CANCEL, 10);
    is_stopped(&options, POOL_STOP_KILL, 11);
    return leaves_nothing_behind();
}
