/* A library that exports none of its tasks, and gives their addresses. */
#include "rendezvous.h"

typedef int32_t task_function(pool_task_t *task);

task_function *unexported_task(int is_deadly);

static int32_t fall_over_unexported(pool_task_t *task) {
    (void)task;
    abort();
}

static int32_t wait_unexported(pool_task_t *task) {
    return wait_at_gate(task);
}

task_function *unexported_task(int is_deadly) {
    return is_deadly ? fall_over_unexported : wait_unexported;
}
