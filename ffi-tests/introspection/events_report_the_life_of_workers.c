/* Each worker has three events, in order: it starts, it is ready, and it has exited, with the reason. The
 * next worker at the same index reports how the previous one exited. */
#include "lifecycle.h"
#include <signal.h>

enum { EVENTS = 64 };

static pool_event_t events[EVENTS];
static uint32_t heard;

static void hear(const pool_event_t *event, void *user) {
    CHECK(user == &heard);
    CHECK_EQUAL(event->struct_size, sizeof *event);
    CHECK(event->message != NULL && event->message[0] != 0);
    CHECK(heard < EVENTS);
    events[heard] = *event;
    events[heard++].message = NULL;
    word_add(LIFECYCLE_FIRST, 1);
}

static int32_t crash(pool_task_t *task) {
    (void)task;
    raise(SIGKILL);
    return 0;
}

/* The next event, when it has come: of this kind, for the worker with this number. */
static const pool_event_t *next(int kind, uint64_t id) {
    static uint32_t taken;
    word_wait(LIFECYCLE_FIRST, ++taken);
    const pool_event_t *event = &events[taken - 1];
    CHECK_EQUAL(event->kind, kind);
    CHECK_EQUAL(event->id, id);
    CHECK_EQUAL(event->worker, 0);
    return event;
}

static void starts(uint64_t id) {
    const pool_event_t *event = next(POOL_EVENT_STARTING, id);
    CHECK_EQUAL(event->reason, POOL_EXITED_NONE);
    int64_t pid = event->pid;
    CHECK_EQUAL(next(POOL_EVENT_READY, id)->pid, pid);
}

static void goes(uint64_t id, int reason, int signal) {
    const pool_event_t *event = next(POOL_EVENT_EXITED, id);
    CHECK_EQUAL(event->reason, reason);
    CHECK_EQUAL(event->signal, signal);
    CHECK_EQUAL(event->exit_code, 0);
}

static void check_last(pool_t *pool, int reason, int signal) {
    pool_worker_info_t worker = {.struct_size = sizeof worker};
    size_t n;
    CHECK_OK(pool_workers(pool, &worker, 1, &n));
    CHECK_EQUAL(n, 1);
    CHECK_EQUAL(worker.last_exit_reason, reason);
    CHECK_EQUAL(worker.last_signal, signal);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.on_event = hear;
    options.user = &heard;
    options.max_tasks_per_worker = 2;
    pool_t *pool = new_pool(&options, 1);
    uint64_t id = 1;

    for (int i = 0; i < 2; i++) CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    starts(id);
    goes(id++, POOL_EXITED_MAX_TASKS, 0);

    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    starts(id);
    check_last(pool, POOL_EXITED_MAX_TASKS, 0);
    CHECK_OK(pool_set_idle_timeout(pool, POOL_NOW));
    goes(id++, POOL_EXITED_IDLE_TIMEOUT, 0);
    CHECK_OK(pool_set_idle_timeout(pool, POOL_FOREVER));

    if (options.kind == POOL_PROCESS) {
        CHECK_IS(pool_run(pool, crash, NULL, 0, POOL_FOREVER, NULL, 0, NULL), POOL_ERR_WORKER_LOST);
        starts(id);
        goes(id++, POOL_EXITED_LOST, SIGKILL);
        CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
        starts(id);
        check_last(pool, POOL_EXITED_LOST, SIGKILL);
    } else {
        CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
        starts(id);
    }
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    goes(id, POOL_EXITED_REQUESTED, 0);
    CHECK_EQUAL(heard, 3 * id); /* Nothing more, and all before the shutdown returned. */
    pool_free(pool);
    return leaves_nothing_behind();
}
