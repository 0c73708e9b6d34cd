/* pool_workers returns the number of each worker, the task that it runs, and how many it has run; the name
 * of its thread or process is the pool's name and the index. */
#include "lifecycle.h"
#include <sys/prctl.h>

enum { WORKERS = 2 };

/* Result: the name that the system shows for this worker. */
static int32_t tell_name(pool_task_t *task) {
    char name[16] = {0};
    prctl(PR_GET_NAME, name);
    return pool_task_return(task, name, sizeof name);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.name = "looked";
    pool_t *pool = new_pool(&options, WORKERS);
    pool_worker_info_t workers[WORKERS + 1] = {{.struct_size = sizeof *workers}};
    size_t n = 99;
    CHECK_OK(pool_workers(pool, workers, WORKERS + 1, &n));
    CHECK_EQUAL(n, 0);

    future_t *futures[WORKERS];
    occupy(pool, 0, WORKERS, futures);
    workers[0].struct_size = sizeof *workers;
    CHECK_OK(pool_workers(pool, workers, WORKERS + 1, &n));
    CHECK_EQUAL(n, WORKERS);
    for (uint32_t i = 0; i < WORKERS; i++) {
        CHECK_EQUAL(workers[i].index, i);
        CHECK(workers[i].id >= 1 && workers[i].id <= WORKERS);
        CHECK_EQUAL(workers[i].pid, options.kind == POOL_PROCESS ? pid_of_worker(i) : 0);
        CHECK_EQUAL(workers[i].state, POOL_WORKER_BUSY);
        CHECK_EQUAL(workers[i].task_id, future_id(futures[0]) + future_id(futures[1]) -
                                            workers[WORKERS - 1 - i].task_id);
        CHECK(workers[i].function[0] != 0);
        CHECK(workers[i].running_ms >= 0);
        CHECK_EQUAL(workers[i].tasks_done, 0);
        CHECK_EQUAL(workers[i].resident_bytes > 0, options.kind == POOL_PROCESS);
    }
    CHECK_OK(pool_workers(pool, workers, 1, &n));
    CHECK_EQUAL(n, WORKERS);
    CHECK_OK(pool_workers(pool, NULL, 0, &n));
    CHECK_EQUAL(n, WORKERS);
    release(0);
    wait_and_free(futures, WORKERS);
    while (pool_count_busy_workers(pool) > 0) pause_briefly();
    CHECK_OK(pool_workers(pool, workers, WORKERS, NULL));
    for (uint32_t i = 0; i < WORKERS; i++) {
        CHECK_EQUAL(workers[i].state, POOL_WORKER_IDLE);
        CHECK_EQUAL(workers[i].tasks_done, 1);
        CHECK_EQUAL(workers[i].task_id, 0);
    }

    char name[16];
    CHECK_OK(pool_run(pool, tell_name, NULL, 0, POOL_FOREVER, name, sizeof name, NULL));
    CHECK(strcmp(name, "looked/0") == 0 || strcmp(name, "looked/1") == 0);
    workers[0].struct_size = 7;
    CHECK_IS(pool_workers(pool, workers, WORKERS, NULL), POOL_ERR_VERSION);
    pool_free(pool);
    return leaves_nothing_behind();
}
