/* A library that is built twice, so that one build can take the other's place on the disk. */
#include <carpool.h>

int32_t tell_build(pool_task_t *task);
pool_task_fn hidden_tell_build(void);

int32_t tell_build(pool_task_t *task) {
    int32_t build = BUILD;
    return pool_task_return(task, &build, sizeof build);
}

static int32_t hidden(pool_task_t *task) {
    return tell_build(task);
}

pool_task_fn hidden_tell_build(void) {
    return hidden;
}
