/* POOL_LOST_RETRY: a task whose worker is lost runs again, as many times as its own retries or those of the
 * pool allow, and then fails. Each task has its own count. A task that is cancelled or has passed its limit
 * does not run again. */
#include "time_limits.h"
#include "processes.h"

enum { WORKERS = 2, GOOD = 100, RUNS = WORD_FIRST, ACCEPTED = RUNS + 64, STARTED = ACCEPTED + 1 };

struct args {
    uint32_t word, deaths;
};

/* Dies so many times; then the result is how often it has run. */
static int32_t die_so_often(pool_task_t *task) {
    struct args args;
    memcpy(&args, pool_task_args(task, NULL), sizeof args);
    uint64_t runs = word_add(args.word, 1) + 1;
    if (runs <= args.deaths) raise(SIGKILL);
    return pool_task_return(task, &runs, sizeof runs);
}

static void count_accept(uint32_t worker, int64_t pid, void *user) {
    (void)worker, (void)pid, (void)user;
    word_add(ACCEPTED, 1);
}

static uint32_t used;

static future_t *submit_dying(pool_t *pool, uint32_t deaths, uint32_t retries) {
    struct args args = {RUNS + used++, deaths};
    pool_call_t call = POOL_CALL_INIT;
    call.task = (pool_function_t){die_so_often, NULL, NULL, &args, sizeof args};
    call.retries = retries;
    call.on_accept = count_accept;
    return submit_call(pool, &call);
}

/* Dies so often, and may be run again so often. */
static void check(pool_t *pool, uint32_t deaths, uint32_t retries, uint32_t allowed) {
    uint32_t word = RUNS + used, accepted = word_get(ACCEPTED);
    future_t *future = submit_dying(pool, deaths, retries), *good[GOOD];
    for (uint64_t i = 0; i < GOOD; i++) {
        CHECK_OK(pool_submit(pool, square, &i, sizeof i, &good[i]));
    }
    if (deaths <= allowed) {
        CHECK_EQUAL(collect_number(future), deaths + 1);
    } else {
        CHECK_OK(future_wait(future, POOL_FOREVER));
        pool_error_t error = check_lost(future);
        CHECK_EQUAL(error.signal, SIGKILL);
        CHECK_EQUAL(word_get(word), allowed + 1);
    }
    for (uint64_t i = 0; i < GOOD; i++) CHECK_EQUAL(collect_number(good[i]), i * i);
    wait_and_free(good, GOOD);
    future_free(future);
    word_wait(ACCEPTED, accepted + 1);
    CHECK_EQUAL(word_get(ACCEPTED), accepted + 1);
}

static void check_who_is_not_run_again(pool_t *pool) {
    const uint32_t started = STARTED;
    future_t *future;
    pool_call_t call = POOL_CALL_INIT;
    call.task = (pool_function_t){run_for_ever, NULL, NULL, &started, sizeof started};
    call.retries = 5;
    future = submit_call(pool, &call);
    word_wait(STARTED, 1);
    CHECK_OK(future_cancel(future, POOL_CANCEL_RUNNING));
    check_ended(future, FUTURE_CANCELLED, POOL_ERR_CANCELLED);
    future_free(future);
    call.hard_limit_ms = 60;
    future = submit_call(pool, &call);
    check_ended(future, FUTURE_FAILED, POOL_ERR_HARD_LIMIT);
    CHECK_EQUAL(word_get(STARTED), 2);
    future_free(future);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.kill_grace_ms = POOL_NOW;

    /* Without: only tasks that say so. */
    pool_t *pool = new_pool(&options, WORKERS);
    check(pool, 1, 0, 0);
    check(pool, 2, 2, 2);
    pool_free(pool);

    /* Once, if nothing is said. */
    options.on_worker_lost = POOL_LOST_RETRY;
    pool = new_pool(&options, WORKERS);
    check(pool, 1, 0, 1);
    check(pool, 2, 0, 1);
    check(pool, 3, 3, 3);
    pool_free(pool);

    options.retries = 3;
    pool = new_pool(&options, WORKERS);
    check(pool, 3, 0, 3);
    check(pool, UINT32_MAX, 0, 3);
    check(pool, UINT32_MAX, 1, 1);
    check_who_is_not_run_again(pool);
    /* Several at once: each has its own count. */
    future_t *futures[12];
    for (uint32_t i = 0; i < COUNT_OF(futures); i++) futures[i] = submit_dying(pool, i % 5, 0);
    for (uint32_t i = 0; i < COUNT_OF(futures); i++) {
        CHECK_OK(future_wait(futures[i], POOL_FOREVER));
        if (i % 5 <= 3) CHECK_EQUAL(collect_number(futures[i]), i % 5 + 1);
        if (i % 5 > 3) check_lost(futures[i]);
    }
    wait_and_free(futures, COUNT_OF(futures));
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
