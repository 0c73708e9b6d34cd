/* A task that a worker has taken within its start deadline has started: if that worker is lost, it runs again,
 * however long it waits for the next one. A task that expires was never taken: on_accept is not called. */
#include "time_limits.h"

enum { GATE, RUNS = WORD_FIRST, MAY_DIE, DEADLINE_MS = 1000 };

static _Atomic uint32_t accepts, drops;

static void note_accept(uint32_t worker, int64_t pid, void *user) {
    (void)worker, (void)pid, (void)user;
    accepts++;
}

static void note_end(void *user) {
    (void)user;
    drops++;
}

static int32_t die_once(pool_task_t *task) {
    (void)task;
    if (word_add(RUNS, 1) > 0) return 0;
    word_wait(MAY_DIE, 1);
    raise(SIGKILL);
    return 0;
}

static pool_call_t call_with_deadline(pool_task_fn function, int64_t ms) {
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = function;
    call.start_deadline_ms = ms;
    call.on_accept = note_accept;
    call.drop = note_end;
    return call;
}

static void run_again_after_the_deadline(pool_options_t options) {
    pool_t *pool = new_pool(&options, 1);
    pool_call_t call = call_with_deadline(die_once, DEADLINE_MS);
    call.retries = 1;
    future_t *taken = submit_call(pool, &call);
    word_wait(RUNS, 1);
    /* It is queued again behind this one, which runs past the deadline. */
    future_t *other = submit_to_gate(pool, GATE);
    word_set(MAY_DIE, 1);
    word_wait(gate_started(GATE), 1);
    CHECK_IS(future_wait(taken, 2 * DEADLINE_MS), POOL_ERR_TIMEOUT);
    release(GATE);
    check_ended(taken, FUTURE_COMPLETED, POOL_OK);
    wait_and_free(&other, 1);
    future_free(taken);
    pool_free(pool);
    CHECK_EQUAL(word_get(RUNS), 2);
    CHECK_EQUAL(accepts, 1);
    CHECK_EQUAL(drops, 1);
}

static void never_taken(pool_options_t options) {
    future_t *other;
    pool_t *pool = new_pool(&options, 1);
    accepts = drops = 0;
    reset_gate(GATE);
    occupy(pool, GATE, 1, &other);
    pool_call_t call = call_with_deadline(warm_up, 1);
    future_t *late = submit_call(pool, &call);
    check_ended(late, FUTURE_CANCELLED, POOL_ERR_EXPIRED);
    release(GATE);
    wait_and_free(&other, 1);
    future_free(late);
    pool_free(pool);
    CHECK_EQUAL(accepts, 0);
    CHECK_EQUAL(drops, 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    if (options.kind == POOL_PROCESS) run_again_after_the_deadline(options);
    never_taken(options);
    return leaves_nothing_behind();
}
