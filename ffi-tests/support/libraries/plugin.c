/* A library that nothing is linked with: programs open it while they run. */
#include <carpool.h>
#include <string.h>

int32_t plus_ten(pool_task_t *task);
pool_task_fn plus_twenty(void);

static int32_t add(pool_task_t *task, uint64_t what) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    n += what;
    return pool_task_return(task, &n, sizeof n);
}

int32_t plus_ten(pool_task_t *task) {
    return add(task, 10);
}

static int32_t hidden(pool_task_t *task) {
    return add(task, 20);
}

pool_task_fn plus_twenty(void) {
    return hidden;
}
