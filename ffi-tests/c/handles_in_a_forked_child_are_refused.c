/* A child that the program forks cannot use its parent's pools, nor harm them. */
#include "meet.h"
#include <sys/wait.h>

enum { GATE = 0 };

static void check_in_child(pool_t *pool, future_t *future, pool_buffer_t *buffer) {
    future_t *other;
    pool_call_t call = POOL_CALL_INIT;
    pool_buffer_t *new_buffer;
    const void *data;
    void *bytes;
    size_t n;
    uint64_t number;
    pool_error_t error;
    call.task.pointer = warm_up;
    const pool_status_t answers[] = {
        pool_submit(pool, warm_up, NULL, 0, &other),
        pool_submit_symbol(pool, NULL, "main", NULL, 0, &other),
        pool_submit_call(pool, &call, &other),
        pool_run(pool, warm_up, NULL, 0, 0, NULL, 0, NULL),
        pool_buffer_new(pool, 1, &new_buffer, &bytes),
        pool_check(pool, &error),
        pool_close(pool),
        pool_join(pool, POOL_FOREVER),
        pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER),
        future_wait(future, POOL_FOREVER),
        future_result(future, &data, &n),
        future_collect(future, POOL_FOREVER, &data, &n),
        future_error(future, &error),
        future_cancel(future, POOL_CANCEL_QUEUED),
        future_duration(future, &number, NULL),
        future_progress(future, &number, NULL),
        future_wait_many(&future, 1, POOL_WAIT_ALL, POOL_FOREVER, &n),
    };
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        if (answers[i] != POOL_ERR_WRONG_PROCESS) fprintf(stderr, "call %zu: ", i);
        CHECK_IS(answers[i], POOL_ERR_WRONG_PROCESS);
    }
    future_free(future);
    pool_buffer_free(buffer);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    future_t *future;
    pool_call_t call = POOL_CALL_INIT;
    uint8_t *bytes;
    uint64_t result;
    int status;
    occupy(pool, GATE, 1, &future);
    CHECK_OK(pool_buffer_new(pool, sizeof(uint64_t), &call.buffer, (void **)&bytes));

    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        check_in_child(pool, future, call.buffer);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQUAL(status, 0);

    /* The parent has noticed nothing. */
    CHECK_EQUAL(future_state(future), FUTURE_RUNNING);
    CHECK_OK(pool_check(pool, NULL));
    release(GATE);
    CHECK_OK(future_wait(future, POOL_FOREVER));
    future_free(future);
    memcpy(bytes, &(uint64_t){12}, sizeof(uint64_t));
    call.task.pointer = square;
    CHECK_OK(pool_submit_call(pool, &call, &future));
    result = collect_number(future);
    CHECK_EQUAL(result, 144);
    future_free(future);
    pool_free(pool);
    return leaves_nothing_behind();
}
