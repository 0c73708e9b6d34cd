/* A task may fork, by fork or by clone. The copy can read its arguments; it cannot set a result, not even after
 * the task has ended and its worker runs another one, and it ends when it returns from the function: it never
 * runs a task itself. */
#include "processes.h"

enum { GATE = 0, COUNTED = WORD_FIRST, COPY_MAY_GO, COPY_PID, STARTED, FAILURES, TASKS = 50, SMALL = 8, LARGE = 4096 };

struct order {
    uint32_t by_clone, size;
};

static void expect(int truth) {
    if (!truth) word_add(FAILURES, 1);
}

/* Results: so many bytes, from the worker 1, from a copy 9. */
static int32_t fork_and_return(pool_task_t *task) {
    struct order order = *(const struct order *)pool_task_args(task, NULL);
    char bytes[LARGE];
    pid_t copy = order.by_clone ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
    CHECK(copy >= 0);
    if (copy == 0) {
        word_set(COPY_PID, (uint32_t)syscall(SYS_getpid));
        word_wait(COPY_MAY_GO, 1);
        memset(bytes, 9, sizeof bytes);
        expect(((const struct order *)pool_task_args(task, NULL))->size == order.size);
        expect(pool_task_result(task, order.size) == NULL);
        expect(pool_task_return(task, bytes, order.size) == POOL_ERR_WRONG_PROCESS);
        pool_task_progress(task, 9, 9);
        return 0;
    }
    memset(bytes, 1, sizeof bytes);
    return pool_task_return(task, bytes, order.size);
}

/* Ends when the copy has ended, and has left it everything that it could leave. */
static int32_t return_after_the_copy(pool_task_t *task) {
    uint32_t size = ((const struct order *)pool_task_args(task, NULL))->size;
    char bytes[LARGE];
    memset(bytes, 2, sizeof bytes);
    int32_t code = pool_task_return(task, bytes, size);
    word_set(STARTED, 1);
    while (!is_dead((pid_t)word_get(COPY_PID))) pause_briefly();
    return code;
}

static int32_t count(pool_task_t *task) {
    (void)task;
    word_add(COUNTED, 1);
    return 0;
}

static void check_result(future_t *future, uint32_t size, char expected) {
    const void *data;
    size_t length;
    uint64_t done, total;
    CHECK_OK(future_collect(future, POOL_FOREVER, &data, &length));
    CHECK_EQUAL(length, size);
    for (uint32_t i = 0; i < size; i++) CHECK_EQUAL(((const char *)data)[i], expected);
    CHECK_OK(future_progress(future, &done, &total));
    CHECK(done == 0 && total == 0);
    future_free(future);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) exit(SKIPPED);
    pool_t *pool = new_pool(&options, 1);
    uint32_t counted = 0;
    for (uint32_t round = 0; round < 4; round++) {
        struct order order = {round & 1, round & 2 ? LARGE : SMALL};
        future_t *first, *second;
        word_set(COPY_MAY_GO, 0);
        word_set(COPY_PID, 0);
        word_set(STARTED, 0);
        CHECK_OK(pool_submit(pool, fork_and_return, &order, sizeof order, &first));
        check_result(first, order.size, 1);
        word_wait(COPY_PID, 1);
        CHECK_OK(pool_submit(pool, return_after_the_copy, &order, sizeof order, &second));
        word_wait(STARTED, 1);
        word_set(COPY_MAY_GO, 1);
        check_result(second, order.size, 2);
        for (int i = 0; i < TASKS; i++) CHECK_OK(pool_run(pool, count, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
        counted += TASKS;
        CHECK_EQUAL(word_get(COUNTED), counted);
    }
    CHECK_EQUAL(word_get(FAILURES), 0);
    pool_free(pool);
    return leaves_nothing_behind();
}
