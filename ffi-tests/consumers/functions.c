/* Tasks for programs in other languages: they are named by module and symbol. */
#include <carpool.h>
#include <signal.h>
#include <string.h>

int32_t square(pool_task_t *task) {
    int64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    n *= n;
    return pool_task_return(task, &n, sizeof n);
}

int32_t refuse(pool_task_t *task) {
    return pool_task_fail(task, 7, "seven is refused");
}

int32_t die(pool_task_t *task) {
    (void)task;
    return raise(SIGKILL);
}
