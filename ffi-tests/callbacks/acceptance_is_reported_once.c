/* on_accept is called once, when a worker has taken the task, with the index and process of that worker, and
 * before on_done. It is not called for a task that no worker takes. */
#include "rendezvous.h"

enum { WORKERS = 2, TASKS = 500, GATE = 0 };

struct seen {
    _Atomic uint32_t accepted, done, drops, worker, accepted_before_done;
    _Atomic int64_t pid;
};

static void note_accept(uint32_t worker, int64_t pid, void *user) {
    struct seen *seen = (struct seen *)user;
    seen->worker = worker;
    seen->pid = pid;
    seen->accepted++;
}

static void note_done(future_t *future, void *user) {
    struct seen *seen = (struct seen *)user;
    CHECK(future_is_done(future));
    seen->accepted_before_done = seen->accepted;
    seen->done++;
}

static void note_drop(void *user) {
    ((struct seen *)user)->drops++;
}

static void await_drop(const struct seen *seen) {
    while (seen->drops == 0) pause_briefly();
}

/* Result: its worker's place, and its process. */
static int32_t tell_where(pool_task_t *task) {
    int64_t where[2] = {pool_task_worker(task), getpid()};
    return pool_task_return(task, where, sizeof where);
}

static pool_call_t call_seen(pool_task_fn function, struct seen *seen) {
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = function;
    call.on_accept = note_accept;
    call.on_done = note_done;
    call.drop = note_drop;
    call.user = seen;
    return call;
}

static struct seen seen[TASKS];
static future_t *futures[TASKS];

/* Every task, also those whose worker has left since, and those that are done before anybody looks. */
static void check_all(pool_t *pool, int tasks, bool is_process) {
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < tasks; i++) {
        pool_call_t call = call_seen(tell_where, &seen[i]);
        CHECK_OK(pool_submit_call(pool, &call, i % 5 ? &futures[i] : NULL));
    }
    for (int i = 0; i < tasks; i++) {
        await_drop(&seen[i]);
        CHECK_EQUAL(seen[i].accepted, 1);
        CHECK_EQUAL(seen[i].done, 1);
        CHECK_EQUAL(seen[i].drops, 1);
        CHECK_EQUAL(seen[i].accepted_before_done, 1);
        if (i % 5 == 0) continue;
        const void *data;
        int64_t where[2];
        CHECK_OK(future_collect(futures[i], POOL_FOREVER, &data, NULL));
        memcpy(where, data, sizeof where);
        CHECK_EQUAL(seen[i].worker, where[0]);
        CHECK_EQUAL(seen[i].pid, is_process ? where[1] : 0);
        future_free(futures[i]);
    }
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv), brief = options;
    static struct seen waiting;
    brief.max_tasks_per_worker = 1;
    pool_t *pool = new_pool(&brief, WORKERS);
    check_all(pool, 60, options.kind == POOL_PROCESS);
    pool_free(pool);
    pool = new_pool(&options, WORKERS);
    check_all(pool, TASKS, options.kind == POOL_PROCESS);
    if (options.kind != POOL_INLINE) {
        /* While it runs: told, though it is not done. One that is cancelled in the queue: never. */
        static struct seen running;
        const uint32_t gate = GATE;
        future_t *others[WORKERS], *queued;
        pool_call_t call = call_seen(wait_at_gate, &running);
        call.task.args = &gate;
        call.task.len = sizeof gate;
        CHECK_OK(pool_submit_call(pool, &call, &others[0]));
        while (running.accepted == 0) pause_briefly();
        CHECK_EQUAL(future_state(others[0]), FUTURE_RUNNING);
        CHECK_EQUAL(running.done, 0);
        others[1] = submit_to_gate(pool, GATE);
        word_wait(gate_started(GATE), WORKERS);
        call = call_seen(warm_up, &waiting);
        CHECK_OK(pool_submit_call(pool, &call, &queued));
        CHECK_OK(future_cancel(queued, POOL_CANCEL_QUEUED));
        future_free(queued);
        await_drop(&waiting);
        release(GATE);
        wait_and_free(others, WORKERS);
        CHECK_EQUAL(running.accepted, 1);
    }
    pool_free(pool);
    CHECK_EQUAL(waiting.accepted, 0);
    return leaves_nothing_behind();
}
