/* The list of the tasks that a shutdown has cancelled has the tag of each task, with its function and
 * arguments. */
#include "rendezvous.h"

enum { GATE = 0, QUEUED = 50 };

static void request_stop_and_release(pool_t *pool) {
    CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 0), POOL_ERR_TIMEOUT);
    release(GATE);
    pool_status_t status = pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER);
    CHECK(status == POOL_OK || status == POOL_ERR_CLOSED); /* It may be over by now. */
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, 1);
    future_t *busy;
    static uint32_t found[QUEUED];
    occupy(pool, GATE, 1, &busy);
    for (uint64_t i = 0; i < QUEUED; i++) {
        pool_call_t call = POOL_CALL_INIT;
        call.task = (pool_function_t){square, NULL, NULL, &i, sizeof i};
        call.tag = i ? UINT64_MAX - i : 0;
        CHECK_OK(pool_submit_call(pool, &call, NULL));
    }
    uint64_t n = 99;
    CHECK_OK(pool_submit(pool, square, &n, sizeof n, NULL));
    request_stop_and_release(pool);
    CHECK_EQUAL(pool_cancelled_count(pool), QUEUED + 1);
    for (size_t i = 0; i < QUEUED + 1; i++) {
        pool_cancelled_t task = {.struct_size = sizeof task};
        CHECK_OK(pool_cancelled_task(pool, i, &task));
        CHECK(task.task.pointer == square);
        memcpy(&n, task.task.args, sizeof n);
        if (n == 99 || n == 0) {
            CHECK_EQUAL(task.tag, 0);
            continue;
        }
        CHECK(n < QUEUED);
        CHECK(task.tag == UINT64_MAX - n);
        found[n]++;
    }
    for (size_t i = 1; i < QUEUED; i++) CHECK_EQUAL(found[i], 1);
    wait_and_free(&busy, 1);
    pool_free(pool);
    return leaves_nothing_behind();
}
