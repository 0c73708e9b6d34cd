/* A task that is lost with its worker calls back like any other, and its callback sees how the
 * worker died; so do the tasks around it. */
#include "callbacks.h"
#include "processes.h"

enum { N = 100, BAD = 7 /* each so manyth */ };

static int32_t die_or_not(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    if (n % BAD == 0) raise(n % 2 ? SIGKILL : SIGSEGV);
    return square(task);
}

static void look(future_t *future, void *user) {
    uint64_t n = (uintptr_t)user;
    if (n % BAD == 0) {
        CHECK_EQUAL(check_lost(future).signal, n % 2 ? SIGKILL : SIGSEGV);
    } else {
        CHECK_EQUAL(collect_number(future), n * n);
    }
    count_call(future, user);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    pool_t *pool = new_pool(&options, 2);
    for (uint64_t n = 0; n < N; n++) {
        future_t *future;
        CHECK_OK(pool_submit(pool, die_or_not, &n, sizeof n, &future));
        CHECK_OK(future_on_done(future, look, user_of(n), count_drop, NULL));
        future_free(future);
    }
    for (size_t n = 0; n < N; n++) await_drop(n);
    CHECK_OK(pool_check(pool, NULL));

    /* Killed on request, with the pool. */
    future_t *future = submit_to_gate(pool, 0);
    word_wait(gate_started(0), 1);
    count_when_done(future, N);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
    CHECK_IS(future_result(future, &(const void *){NULL}, NULL), POOL_ERR_TERMINATED);
    future_free(future);
    pool_free(pool);
    for (size_t n = 0; n <= N; n++) check_counts(n, 1, 1);
    return leaves_nothing_behind();
}
