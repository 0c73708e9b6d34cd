/* Tasks that kill their workers are not run again, and do not harm the many good ones between. */
#include "processes.h"

enum { TASKS = 2020, EVERY = 101, RAN = WORD_FIRST };

static int is_poison(uint64_t n) {
    return n % EVERY == EVERY / 2;
}

static int32_t run_or_die(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    word_add(RAN + n, 1);
    if (is_poison(n)) abort();
    return pool_task_return(task, &n, sizeof n);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    pool_t *pool = new_pool(&options, 2);
    static future_t *futures[TASKS];
    for (uint64_t n = 0; n < TASKS; n++) {
        CHECK_OK(pool_submit(pool, run_or_die, &n, sizeof n, &futures[n]));
    }
    for (uint64_t n = 0; n < TASKS; n++) {
        CHECK_OK(future_wait(futures[n], POOL_FOREVER));
        if (is_poison(n)) {
            CHECK_EQUAL(check_lost(futures[n]).signal, SIGABRT);
        } else {
            CHECK_EQUAL(collect_number(futures[n]), n);
        }
        CHECK_EQUAL(word_get(RAN + n), 1);
        future_free(futures[n]);
    }
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
