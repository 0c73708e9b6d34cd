/* A worker exits after a task that has asked for it, and is replaced; its task ends as always. */
#include "rendezvous.h"

enum { TASKS = 60 };

/* Result: the number of the worker among all workers, as a later task of the same one would see it. */
static int32_t retire(pool_task_t *task) {
    uint64_t id = pool_task_id(task);
    void **state = (void **)pool_task_state(task);
    CHECK(*state == NULL); /* no task has run here before */
    *state = task;
    pool_task_retire(task);
    return pool_task_return(task, &id, sizeof id);
}

static int32_t fail_and_retire(pool_task_t *task) {
    pool_task_retire(task);
    return pool_task_fail(task, 5, "and retired");
}

static _Atomic int retired, others;

static void count_event(const pool_event_t *event, void *user) {
    (void)user;
    if (event->kind != POOL_EVENT_EXITED) return;
    atomic_fetch_add(event->reason == POOL_EXITED_RETIRED ? &retired : &others, 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    future_t *futures[TASKS], *failed;
    pool_error_t error;
    if (options.kind != POOL_INLINE) options.on_event = count_event;
    pool_t *pool = new_pool(&options, 2);
    for (int i = 0; i < TASKS; i++) CHECK_OK(pool_submit(pool, retire, NULL, 0, &futures[i]));
    for (int i = 0; i < TASKS; i++) CHECK_EQUAL(collect_number(futures[i]), future_id(futures[i]));
    future_free_many(futures, TASKS);
    CHECK_OK(pool_submit(pool, fail_and_retire, NULL, 0, &failed));
    CHECK_OK(future_wait(failed, POOL_FOREVER));
    CHECK_OK(future_error(failed, &error));
    CHECK_EQUAL(error.task_code, 5);
    CHECK(strcmp(error.message, "and retired") == 0);
    future_free(failed);
    pool_stats_t stats = POOL_STATS_INIT;
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    CHECK_OK(pool_stats(pool, &stats));
    CHECK_EQUAL(stats.tasks_completed, TASKS);
    CHECK_EQUAL(stats.workers_lost, 0);
    if (options.kind != POOL_INLINE) {
        CHECK_EQUAL(atomic_load(&retired), TASKS + 1);
        CHECK_EQUAL(stats.workers_started, TASKS + 1 + atomic_load(&others));
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
