/* One worker takes queued tasks by priority, and tasks of equal priority in the order of their submits;
 * callbacks are called for all of them. */
#include "queue.h"

enum { N = 1000, NEXT = WORD_FIRST, TOLD, ORDER };

/* Arguments: a uint32_t, the task's number. Notes at which turn it ran. */
int32_t take_turn(pool_task_t *task);
int32_t take_turn(pool_task_t *task) {
    uint32_t number;
    memcpy(&number, pool_task_args(task, NULL), sizeof number);
    word_set(ORDER + number, word_add(NEXT, 1));
    return 0;
}

static void tell(future_t *future, void *user) {
    (void)user;
    CHECK(future_is_done(future));
    word_add(TOLD, 1);
}

static int32_t priority_of(uint32_t number) {
    int32_t span = POOL_PRIORITY_MAX - POOL_PRIORITY_MIN + 1;
    return POOL_PRIORITY_MIN + (int32_t)(number * 7u % (uint32_t)span);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, 1);
    static future_t *futures[N];
    future_t *busy;
    for (uint32_t gate = 0; gate < 2; gate++) {
        word_set(NEXT, 0);
        word_set(TOLD, 0);
        occupy(pool, gate, 1, &busy);
        for (uint32_t i = 0; i < N; i++) {
            pool_call_t call = POOL_CALL_INIT;
            call.task.pointer = take_turn;
            call.task.args = &i;
            call.task.len = sizeof i;
            call.priority = priority_of(i);
            call.on_done = i % 3 == 0 ? tell : NULL;
            CHECK_OK(pool_submit_call(pool, &call, &futures[i]));
        }
        CHECK_EQUAL(pool_count_pending_tasks(pool), N);
        release(gate);
        wait_and_free(&busy, 1);
        wait_and_free(futures, N);
        uint32_t turn = 0;
        for (int32_t priority = POOL_PRIORITY_MAX; priority >= POOL_PRIORITY_MIN; priority--) {
            for (uint32_t i = 0; i < N; i++)
                if (priority_of(i) == priority) CHECK_EQUAL(word_get(ORDER + i), turn++);
        }
        CHECK_EQUAL(turn, N);
        word_wait(TOLD, (N + 2) / 3);
        CHECK_EQUAL(pool_count_pending_tasks(pool), 0);
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
