/* Waiting until a pool is idle waits for all that was submitted before, maps in the background included. The
 * workers stay, and other threads may go on submitting. */
#include "rendezvous.h"
#include <pthread.h>

enum { TASKS = 300, ITEMS = 1000, RAN = WORD_FIRST };

static int32_t count_item(pool_task_t *task) {
    (void)task;
    word_add(RAN, 1);
    return pool_task_return(task, NULL, 0);
}

static void waits_for_what_was_submitted(pool_t *pool) {
    uint32_t ran = RAN;
    char items[ITEMS] = {0};
    future_t *map;
    word_set(RAN, 0);
    for (int i = 0; i < TASKS; i++) {
        CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, NULL));
    }
    CHECK_OK(pool_map_async(pool, count_item, items, 1, ITEMS, NULL, NULL, 0, NULL, &map));
    CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(RAN), TASKS + ITEMS);
    CHECK_EQUAL(pool_count_pending_tasks(pool), 0);
    CHECK(future_is_done(map));
    future_free(map);
    CHECK_OK(pool_check(pool, NULL));
    CHECK_OK(pool_wait_idle(pool, 0));
}

static int32_t wait_in_task(pool_task_t *task) {
    pool_t *pool;
    memcpy(&pool, pool_task_args(task, NULL), sizeof pool);
    CHECK_IS(pool_wait_idle(pool, POOL_FOREVER), POOL_ERR_DEADLOCK);
    return 0;
}

static _Atomic bool has_called_back;

static void wait_in_callback(future_t *future, void *pool) {
    (void)future;
    CHECK_IS(pool_wait_idle(pool, POOL_FOREVER), POOL_ERR_DEADLOCK);
    atomic_store(&has_called_back, true);
}

static void never_waits_for_itself(pool_t *pool, const pool_options_t *options) {
    future_t *future;
    uint32_t ran = RAN;
    CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, &future));
    CHECK_OK(future_on_done(future, wait_in_callback, pool, NULL, NULL));
    future_free(future);
    while (!atomic_load(&has_called_back)) pause_briefly();
    if (options->kind != POOL_PROCESS) {
        CHECK_OK(pool_run(pool, wait_in_task, &pool, sizeof pool, POOL_FOREVER, NULL, 0, NULL));
    }
}

static uint64_t id_of_worker(pool_t *pool) {
    pool_worker_info_t worker = {.struct_size = sizeof worker};
    size_t n;
    CHECK_OK(pool_workers(pool, &worker, 1, &n));
    CHECK_EQUAL(n, 1);
    return worker.id;
}

static _Atomic bool is_over;

static void *submit_without_end(void *pool) {
    uint32_t ran = RAN;
    while (!atomic_load(&is_over)) {
        future_t *future;
        CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, &future));
        future_free(future);
    }
    return NULL;
}

static void others_go_on_submitting(pool_t *pool) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, submit_without_end, pool) == 0);
    for (int i = 0; i < 20; i++) CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
    atomic_store(&is_over, true);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
}

static void does_not_wait_longer_than_it_may(const pool_options_t *options) {
    pool_t *pool = new_pool(options, 1);
    uint32_t ran = RAN;
    future_t *future;
    word_set(RAN, 0);
    occupy(pool, 0, 1, &future);
    uint64_t worker = id_of_worker(pool);
    CHECK_IS(pool_wait_idle(pool, 0), POOL_ERR_TIMEOUT);
    CHECK_IS(pool_wait_idle(pool, 20), POOL_ERR_TIMEOUT);
    CHECK_OK(pool_submit(pool, count_in_word, &ran, sizeof ran, NULL));
    release(0);
    CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
    CHECK(future_is_done(future));
    CHECK_EQUAL(word_get(RAN), 1);
    CHECK_EQUAL(id_of_worker(pool), worker);
    future_free(future);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
    pool_free(pool);
    CHECK_IS(pool_wait_idle(pool, POOL_FOREVER), POOL_ERR_INVALID);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    CHECK_OK(pool_wait_idle(pool, POOL_FOREVER)); /* nothing to wait for */
    for (int round = 0; round < 10; round++) waits_for_what_was_submitted(pool);
    never_waits_for_itself(pool, &options);
    others_go_on_submitting(pool);
    pool_free(pool);
    if (options.kind != POOL_INLINE) does_not_wait_longer_than_it_may(&options);
    return leaves_nothing_behind();
}
