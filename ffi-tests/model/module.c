/* The tasks of the model-based test in a shared library of their own. */
#include "tasks.h"

int32_t module_task(pool_task_t *task);
int32_t module_item(pool_task_t *task);

int32_t module_task(pool_task_t *task) {
    return run_model_task(task);
}

int32_t module_item(pool_task_t *task) {
    return run_model_item(task);
}
