/* Workers that are copies of the caller see its memory as it was at pool_new, whenever they start, and
 * change only their own copy. Handles of the caller are not valid in them. */
#include "lifecycle.h"

enum { BEFORE = 1, AFTER = 2, IN_TASK = 3 };

static int value;
static pool_t *pool;
static future_t *held;

/* Result: what it finds in memory. */
static int32_t tell_value(pool_task_t *task) {
    int found = value;
    value = IN_TASK;
    CHECK_IS(pool_check(pool, NULL), POOL_ERR_WRONG_PROCESS);
    CHECK_IS(future_wait(held, 0), POOL_ERR_WRONG_PROCESS);
    CHECK_EQUAL(pool_count_live(), 0);
    return pool_task_return(task, &found, sizeof found);
}

static int value_in_a_worker(pool_t *of) {
    int found;
    CHECK_OK(pool_run(of, tell_value, NULL, 0, POOL_FOREVER, &found, sizeof found, NULL));
    return found;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.start != POOL_FORK) return SKIPPED;
    pool = new_pool(&options, 1);
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &held));
    options.max_tasks_per_worker = 1;
    value = BEFORE;
    pool_t *copies = new_pool(&options, 1);
    value = AFTER;
    for (int life = 0; life < 3; life++) CHECK_EQUAL(value_in_a_worker(copies), BEFORE);
    CHECK_EQUAL(value, AFTER);
    pool_free(copies);
    future_free(held);
    pool_free(pool);
    return leaves_nothing_behind();
}
