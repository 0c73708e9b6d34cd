/* A shutdown lists every task that it cancels, with its function, its arguments and its number;
 * not those that were cancelled one by one. */
#include "lifecycle.h"

enum { TASKS = 100, LONG = 1000 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, 1);
    future_t *running, *single, *futures[TASKS];
    occupy(pool, 0, 1, &running);
    static char bytes[LONG];
    for (int i = 0; i < TASKS; i++) {
        memset(bytes, i, sizeof bytes);
        CHECK_OK(pool_submit(pool, count_in_word, bytes, i % 2 ? LONG : (size_t)i, &futures[i]));
    }
    CHECK_OK(pool_submit_symbol(pool, "some module", "some symbol", NULL, 0, NULL));
    CHECK_OK(pool_submit(pool, return_pid, NULL, 0, &single));
    CHECK_OK(future_cancel(single, POOL_CANCEL_QUEUED));
    CHECK_EQUAL(pool_cancelled_count(pool), 0);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 0), POOL_ERR_TIMEOUT);
    while (pool_cancelled_count(pool) == 0) pause_briefly();
    release(0);
    pool_status_t status = pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER);
    CHECK(status == POOL_OK || status == POOL_ERR_CLOSED); /* it may be over already */

    CHECK_EQUAL(pool_cancelled_count(pool), TASKS + 1);
    bool seen[TASKS] = {false};
    int by_name = 0;
    for (size_t i = 0; i < TASKS + 1; i++) {
        pool_cancelled_t task = {.struct_size = sizeof task};
        CHECK_OK(pool_cancelled_task(pool, i, &task));
        if (!task.task.pointer) {
            CHECK(strcmp(task.task.module, "some module") == 0);
            CHECK(strcmp(task.task.symbol, "some symbol") == 0);
            by_name++;
            continue;
        }
        CHECK(task.task.pointer == count_in_word);
        size_t which = task.id - future_id(futures[0]);
        CHECK(which < TASKS && !seen[which]);
        seen[which] = true;
        CHECK_EQUAL(task.task.len, which % 2 ? LONG : which);
        const unsigned char *args = task.task.args;
        for (size_t j = 0; j < task.task.len; j++) CHECK_EQUAL(args[j], which);
    }
    CHECK_EQUAL(by_name, 1);
    pool_cancelled_t task = {.struct_size = sizeof task};
    CHECK_IS(pool_cancelled_task(pool, TASKS + 1, &task), POOL_ERR_INVALID);
    CHECK_IS(pool_cancelled_task(pool, SIZE_MAX, &task), POOL_ERR_INVALID);
    task.struct_size = 8;
    CHECK_IS(pool_cancelled_task(pool, 0, &task), POOL_ERR_VERSION);
    wait_and_free(futures, TASKS);
    future_free(running);
    future_free(single);
    pool_free(pool);
    return leaves_nothing_behind();
}
