/* A library with a bug. */
#include <carpool.h>
#include <stdlib.h>

int32_t fall_over(pool_task_t *task);

int32_t fall_over(pool_task_t *task) {
    (void)task;
    abort();
}
