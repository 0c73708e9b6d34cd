/* Workers can run functions of the main program, static or exported, whatever the linker did, and whether or
 * not main begins with pool_worker_main. Built in several ways: -DWITH_WORKER_MAIN, -DEXPORTED for
 * -rdynamic, -pie, -no-pie, stripped, lazy and immediate binding. */
#ifndef WITH_WORKER_MAIN
#define NO_WORKER_MAIN
#endif
#include "rendezvous.h"

/* Made ready before main, which must hold in workers too. */
static uint64_t one;

__attribute__((constructor)) static void make_ready(void) {
    one = 1;
}

static int32_t add_five(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    n += 5 * one;
    return pool_task_return(task, &n, sizeof n);
}

int32_t add_six(pool_task_t *task);

int32_t add_six(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    n += 6 * one;
    return pool_task_return(task, &n, sizeof n);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    future_t *futures[3];
    uint64_t n = 100;
    const void *data;
    CHECK_OK(pool_submit(pool, add_five, &n, sizeof n, &futures[0]));
    CHECK_OK(pool_submit(pool, add_six, &n, sizeof n, &futures[1]));
    CHECK_OK(pool_submit_symbol(pool, NULL, "add_six", &n, sizeof n, &futures[2]));
    CHECK_EQUAL(collect_number(futures[0]), 105);
    CHECK_EQUAL(collect_number(futures[1]), 106);
#ifdef EXPORTED
    (void)data;
    CHECK_EQUAL(collect_number(futures[2]), 106);
#else
    CHECK_IS(future_collect(futures[2], POOL_FOREVER, &data, NULL), POOL_ERR_FUNCTION);
#endif
    wait_and_free(futures, 3);
    pool_free(pool);
    return leaves_nothing_behind();
}
