/* A worker exits after the task that brought it over max_memory_per_worker: its result is delivered, no
 * other task is lost, and another worker replaces it. A worker that exceeds the limit from its start exits
 * only after it has grown by the limit again. */
#include "lifecycle.h"

enum { MEGABYTE = 1 << 20, TASKS = 12 };

/* Touched, and kept for good. */
static void take_memory(size_t bytes) {
    static char *volatile memory;
    memory = (char *)malloc(bytes);
    CHECK(memory != NULL);
    memset(memory, 1, bytes);
}

/* Arguments: how many bytes to keep for good. Result: how many tasks this worker has run before. */
int32_t hoard(pool_task_t *task) {
    uint32_t bytes;
    memcpy(&bytes, pool_task_args(task, NULL), sizeof bytes);
    take_memory(bytes);
    return count_task(task);
}

int32_t begin_fat(pool_task_t *task) {
    take_memory(64 * MEGABYTE);
    return count_initializer(task);
}

static uint64_t keep(pool_t *pool, uint32_t bytes) {
    future_t *future;
    CHECK_OK(pool_submit(pool, hoard, &bytes, sizeof bytes, &future));
    uint64_t before = collect_number(future);
    future_free(future);
    return before;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    count_lifecycle(&options);
    options.max_memory_per_worker = 48 * MEGABYTE;
    pool_t *pool = new_pool(&options, 1);
    for (int round = 0; round < 3; round++) {
        CHECK_EQUAL(keep(pool, MEGABYTE), 0);
        CHECK_EQUAL(keep(pool, 64 * MEGABYTE), 1);
    }
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(INITIALIZED), 3);
    CHECK_EQUAL(word_get(FINALIZED), 3);

    future_t *futures[TASKS];
    uint32_t much = 64 * MEGABYTE;
    for (int i = 0; i < TASKS; i++) {
        CHECK_OK(pool_submit(pool, hoard, &much, sizeof much, &futures[i]));
    }
    for (int i = 0; i < TASKS; i++) CHECK_EQUAL(collect_number(futures[i]), 0);
    wait_and_free(futures, TASKS);
    pool_free(pool);
    CHECK_EQUAL(word_get(INITIALIZED), 3 + TASKS);
    CHECK_EQUAL(word_get(FINALIZED), 3 + TASKS);

    options.initializer.pointer = begin_fat;
    pool = new_pool(&options, 1);
    for (uint64_t task = 0; task < 4; task++) CHECK_EQUAL(keep(pool, MEGABYTE), task);
    CHECK_EQUAL(keep(pool, 64 * MEGABYTE), 4);
    CHECK_EQUAL(keep(pool, MEGABYTE), 0);
    pool_worker_info_t worker = {.struct_size = sizeof worker};
    CHECK_OK(pool_workers(pool, &worker, 1, NULL));
    CHECK_EQUAL(worker.last_exit_reason, POOL_EXITED_MAX_MEMORY);
    pool_free(pool);
    return leaves_nothing_behind();
}
