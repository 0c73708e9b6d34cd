/* A task of high priority whose worker is killed comes back before all that wait with a lower one. */
#include "processes.h"
#include "queue.h"

enum { NEXT = WORD_FIRST, FIRST_RUN, TURN };

/* Arguments: its number. The first of all to run kills its worker. */
int32_t die_once(pool_task_t *task);
int32_t die_once(pool_task_t *task) {
    uint32_t number;
    memcpy(&number, pool_task_args(task, NULL), sizeof number);
    if (word_add(FIRST_RUN, 1) == 0) {
        raise(SIGKILL);
        for (;;) pause();
    }
    word_set(TURN + number, word_add(NEXT, 1));
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.on_worker_lost = POOL_LOST_RETRY;
    pool_t *pool = new_pool(&options, 1);
    future_t *busy, *futures[10];
    occupy(pool, 0, 1, &busy);
    for (uint32_t i = 0; i < 10; i++) {
        pool_call_t call = POOL_CALL_INIT;
        call.task.pointer = die_once;
        call.task.args = &i;
        call.task.len = sizeof i;
        call.priority = i == 9 ? 3 : i == 8 ? 1 : 0;
        CHECK_OK(pool_submit_call(pool, &call, &futures[i]));
    }
    release(0);
    wait_and_free(&busy, 1);
    CHECK_OK(future_wait_many(futures, 10, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    CHECK_EQUAL(word_get(TURN + 9), 0);
    CHECK_EQUAL(word_get(TURN + 8), 1);
    for (uint32_t i = 0; i < 8; i++) CHECK_EQUAL(word_get(TURN + i), 2 + i);
    wait_and_free(futures, 10);
    CHECK_EQUAL(pool_count_pending_tasks(pool), 0);
    pool_free(pool);
    return leaves_nothing_behind();
}
