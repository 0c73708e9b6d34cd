/* With POOL_DRIVER_EXTERNAL every callback is called in pool_process_events, and in no call that submits,
 * waits or looks: those of futures, also of one that is done already, of submits, of limits and of workers. */
#include "external_driver.h"
#include "time_limits.h"

enum { N = 50, ACCEPTED = WORD_OTHER, TIMED_OUT, EVENTS, OWN_DROPS };

static void note_accept(uint32_t worker, int64_t pid, void *user) {
    (void)worker, (void)pid, (void)user;
    CHECK(may_call);
    word_add(ACCEPTED, 1);
}

static void note_time(future_t *future, bool soft, int64_t limit_ms, void *user) {
    (void)future, (void)user;
    CHECK(may_call);
    CHECK(soft && limit_ms == 20);
    word_add(TIMED_OUT, 1);
}

static void note_event(const pool_event_t *event, void *user) {
    (void)event, (void)user;
    CHECK(may_call);
    word_add(EVENTS, 1);
}

static void note_own_drop(void *user) {
    (void)user;
    word_add(OWN_DROPS, 1);
}

/* A call with all its callbacks. */
static future_t *submit_told(pool_t *pool, pool_task_fn function, int64_t soft_ms, size_t n) {
    pool_call_t call = POOL_CALL_INIT;
    future_t *future;
    call.task.pointer = function;
    call.soft_limit_ms = soft_ms;
    call.on_accept = note_accept;
    call.on_done = count_driven;
    call.on_timeout = soft_ms ? note_time : NULL;
    call.user = user_of(n);
    call.drop = count_drop;
    CHECK_OK(pool_submit_call(pool, &call, &future));
    return future;
}

static void check_none_called(size_t n) {
    for (size_t i = 0; i < n; i++) CHECK_EQUAL(word_get(calls_of(i)), 0);
    CHECK_EQUAL(word_get(ACCEPTED) + word_get(TIMED_OUT) + word_get(EVENTS), 0);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    int is_inline = options.kind == POOL_INLINE;
    options.on_event = note_event;
    options.drop = note_own_drop;
    pool_t *pool = new_driven_pool(&options, 2);
    future_t *futures[N], *taken;
    future_set_t *set;
    size_t n = 0;
    CHECK_OK(future_set_new(&set));

    for (; n < N - 2; n++) {
        futures[n] = n % 2 ? submit_told(pool, warm_up, 0, n) : submit_warm_up(pool);
        if (n % 2 == 0) CHECK_OK(future_on_done(futures[n], count_driven, user_of(n), count_drop, NULL));
        CHECK_OK(future_set_add(set, futures[n]));
    }
    if (!is_inline) {
        futures[n] = submit_told(pool, run_until_soft_limit, 20, n);
        n++;
    }
    futures[n++] = submit_warm_up(pool);
    CHECK_OK(future_wait_many(futures, n, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    CHECK_OK(future_on_done(futures[n - 1], count_driven, user_of(n - 1), count_drop, NULL));
    for (size_t i = 0; i < N - 2; i++) CHECK_OK(future_set_next(set, POOL_FOREVER, &taken));
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK(is_due_within(pool, -1));
    check_none_called(n);

    for (size_t i = 0; i < n; i++) drive_until_drop(pool, i);
    for (size_t i = 0; i < n; i++) check_counts(i, 1, 1);
    uint32_t told = (N - 2) / 2 + !is_inline;
    CHECK_EQUAL(word_get(ACCEPTED), told);
    CHECK_EQUAL(word_get(TIMED_OUT), !is_inline);
    while (!is_inline && word_get(EVENTS) < 3) {
        CHECK(is_due_within(pool, -1));
        process_events(pool);
    }
    future_set_free(set);
    for (size_t i = 0; i < n; i++) future_free(futures[i]);
    may_call = 1;
    pool_free(pool);
    for (size_t i = 0; i < n; i++) check_counts(i, 1, 1);
    CHECK_EQUAL(word_get(ACCEPTED), told);
    CHECK_EQUAL(word_get(OWN_DROPS), 1);
    return leaves_nothing_behind();
}
