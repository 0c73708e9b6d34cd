/* A pool that is freed, or shut down, while maps run in the background waits for the running items; then the
 * maps are done, and their arrays are not accessed any more. */
#include "callbacks.h"
#include <pthread.h>

enum { N = 400, MAPS = 3, GATE = 50, CANCELLED = 7, FREED = 8 };

struct mapping {
    uint64_t items[N], results[N];
    pool_status_t statuses[N];
    future_t *future;
};

/* Each map's first item waits at the gate. */
static int32_t wait_at_first(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    if (n == 0) {
        word_add(gate_started(GATE), 1);
        word_wait(gate_open(GATE), 1);
    }
    return square(task);
}

static void *release_soon(void *unused) {
    (void)unused;
    for (int i = 0; i < 10; i++) pause_briefly();
    release(GATE);
    return NULL;
}

static void stop(const pool_options_t *options, int how, size_t first_counter) {
    struct mapping *mappings[MAPS];
    pool_t *pool = new_pool(options, 2);
    pool_map_options_t with = POOL_MAP_INIT;
    pthread_t releaser;
    word_set(gate_started(GATE), 0);
    word_set(gate_open(GATE), 0);
    for (size_t k = 0; k < MAPS; k++) {
        struct mapping *mapping = mappings[k] = (struct mapping *)malloc(sizeof *mapping);
        CHECK(mapping != NULL);
        for (uint64_t i = 0; i < N; i++) mapping->items[i] = i;
        with.chunk_size = k;
        CHECK_OK(pool_map_async(pool, wait_at_first, mapping->items, 8, N, &with,
                                mapping->results, 8, mapping->statuses, &mapping->future));
        count_when_done(mapping->future, first_counter + k);
    }
    word_wait(gate_started(GATE), 2);
    future_free(mappings[0]->future);
    pthread_create(&releaser, NULL, release_soon, NULL);
    if (how == FREED) pool_free(pool);
    else CHECK_OK(pool_shutdown(pool, how == CANCELLED ? POOL_STOP_CANCEL : how, POOL_FOREVER));

    for (size_t k = 0; k < MAPS; k++) {
        struct mapping *mapping = mappings[k];
        if (k > 0) {
            CHECK(future_is_done(mapping->future));
            pool_status_t status = future_result(mapping->future, &(const void *){NULL}, NULL);
            if (how == POOL_STOP_DRAIN) CHECK_OK(status);
            else if (how != POOL_STOP_KILL) CHECK_IS(status, POOL_ERR_CANCELLED);
            else CHECK(status == POOL_ERR_CANCELLED || status == POOL_ERR_TERMINATED);
        }
        for (uint64_t i = 0; i < N; i++) {
            int is_good = mapping->statuses[i] == POOL_OK;
            CHECK_EQUAL(mapping->results[i], is_good ? i * i : 0);
            if (how == POOL_STOP_DRAIN) CHECK(is_good);
        }
        memset(mapping->results, 0xee, sizeof mapping->results);
    }
    pthread_join(releaser, NULL);
    if (how != FREED) pool_free(pool);
    for (size_t k = 0; k < MAPS; k++) {
        await_drop(first_counter + k);
        check_counts(first_counter + k, 1, 1);
        if (k > 0) future_free(mappings[k]->future);
        free(mappings[k]);
    }
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options); /* They run where they are begun. */
    stop(&options, FREED, 0);
    stop(&options, CANCELLED, 10);
    stop(&options, POOL_STOP_DRAIN, 20);
    stop(&options, POOL_STOP_KILL, 30);
    return leaves_nothing_behind();
}
