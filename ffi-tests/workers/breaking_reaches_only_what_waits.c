/* When a pool breaks, what waits is cancelled with POOL_ERR_BROKEN and the reason, and listed with its
 * arguments; what runs ends as it does, and results that were there stay. */
#include "lifecycle.h"

enum { TASKS = 50, ALL_IN = LIFECYCLE_FIRST };

/* The second worker fails, when everything has been submitted. */
static int32_t refuse_the_second(pool_task_t *task) {
    if (word_add(INITIALIZED, 1) == 0) return 0;
    word_wait(ALL_IN, 1);
    return pool_task_fail(task, 42, "only one");
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.initializer.pointer = refuse_the_second;
    pool_t *pool = new_pool(&options, 2);
    future_t *finished, *running, *futures[TASKS];
    uint64_t number = 12;
    CHECK_OK(pool_submit(pool, square, &number, sizeof number, &finished));
    CHECK_OK(future_wait(finished, POOL_FOREVER));
    occupy(pool, 0, 1, &running);
    for (uint64_t i = 0; i < TASKS; i++) {
        CHECK_OK(pool_submit(pool, square, &i, sizeof i, &futures[i]));
    }
    word_set(ALL_IN, 1);
    CHECK_OK(future_wait_many(futures, TASKS, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    for (int i = 0; i < TASKS; i++) {
        pool_error_t error;
        CHECK_EQUAL(future_state(futures[i]), FUTURE_CANCELLED);
        CHECK_OK(future_error(futures[i], &error));
        CHECK_IS(error.status, POOL_ERR_BROKEN);
        CHECK_IS(future_result(futures[i], &(const void *){NULL}, NULL), POOL_ERR_BROKEN);
        CHECK(strstr(error.message, "only one") != NULL);
    }
    CHECK_EQUAL(future_state(running), FUTURE_RUNNING);
    release(0);
    CHECK_OK(future_wait(running, POOL_FOREVER));
    CHECK_EQUAL(future_state(running), FUTURE_COMPLETED);
    CHECK_EQUAL(collect_number(finished), 144);

    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_EQUAL(pool_cancelled_count(pool), TASKS);
    bool seen[TASKS] = {false};
    for (size_t i = 0; i < TASKS; i++) {
        pool_cancelled_t task = {.struct_size = sizeof task};
        CHECK_OK(pool_cancelled_task(pool, i, &task));
        CHECK(task.task.pointer == square);
        CHECK_EQUAL(task.task.len, sizeof number);
        memcpy(&number, task.task.args, sizeof number);
        CHECK(number < TASKS && !seen[number]);
        CHECK_EQUAL(task.id, future_id(futures[number]));
        seen[number] = true;
    }
    future_free(finished);
    future_free(running);
    wait_and_free(futures, TASKS);
    pool_free(pool);
    return leaves_nothing_behind();
}
