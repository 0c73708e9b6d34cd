/* A task's result comes back, as often as it is asked for, and lives as long as its future. */
#include "rendezvous.h"

static int32_t add(pool_task_t *task) {
    size_t len;
    const int32_t *numbers = (const int32_t *)pool_task_args(task, &len);
    if (len != 2 * sizeof *numbers) return pool_task_fail(task, 1, "two numbers, please");
    int32_t sum = numbers[0] + numbers[1];
    return pool_task_return(task, &sum, sizeof sum);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    int32_t numbers[2] = {1, 2};
    future_t *future;
    const void *data, *again;
    size_t len, room;

    CHECK_OK(pool_submit(pool, add, numbers, sizeof numbers, &future));
    numbers[0] = 1000; /* The bytes were copied. */
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_result(future, &data, &len));
    CHECK_EQUAL(len, sizeof(int32_t));
    CHECK_EQUAL(*(const int32_t *)data, 3);
    CHECK_OK(future_collect(future, 0, &again, NULL));
    CHECK(again == data);
    CHECK_EQUAL(future_state(future), FUTURE_COMPLETED);
    CHECK(future_is_done(future));
    CHECK(future_pool(future) == pool);

    pool_error_t error;
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, POOL_OK);
    future_free(future);

    /* The short way: submit, wait and copy in one call. */
    int32_t sum = 0;
    CHECK_OK(pool_run(pool, add, numbers, sizeof numbers, POOL_FOREVER, &sum, sizeof sum, &room));
    CHECK_EQUAL(sum, 1002);
    CHECK_EQUAL(room, sizeof sum);
    sum = 7;
    CHECK_IS(pool_run(pool, add, numbers, sizeof numbers, POOL_FOREVER, &sum, 1, &room),
             POOL_ERR_TOO_LARGE);
    CHECK_EQUAL(sum, 7);
    CHECK_EQUAL(room, sizeof sum);

    /* No bytes in, no bytes out: data is still not NULL. */
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &future));
    CHECK_OK(future_collect(future, POOL_FOREVER, &data, &len));
    CHECK(data != NULL);
    CHECK_EQUAL(len, 0);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
