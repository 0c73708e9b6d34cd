/* When the thread that would run callbacks cannot be started, the call that adds a callback fails and drops
 * its pointer: no callback is kept that is never called, and nothing is submitted. */
#include "callbacks.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

static _Atomic bool has_no_more_threads;

/* Stands before the real one. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return has_no_more_threads ? EAGAIN : real(thread, attributes, run, argument);
}

static void hear(const pool_event_t *event, void *user) {
    (void)event, (void)user;
}

static void refuses_listeners(pool_options_t options) {
    pool_error_t error;
    pool_t *pool;
    options.on_event = hear;
    options.user = user_of(3);
    options.drop = count_drop;
    has_no_more_threads = true;
    CHECK_IS(pool_new(&options, &pool, &error), POOL_ERR_OS);
    has_no_more_threads = false;
    CHECK_EQUAL(error.os_errno, EAGAIN);
    CHECK_EQUAL(word_get(drops_of(3)), 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options); /* Callbacks run where they are added. */
    pool_t *pool = new_pool(&options, 1);
    future_t *future = submit_to_gate(pool, 0);
    word_wait(gate_started(0), 1);

    has_no_more_threads = true;
    CHECK_IS(future_on_done(future, count_call, user_of(0), count_drop, NULL), POOL_ERR_OS);
    check_counts(0, 0, 1);
    future_t *other;
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = warm_up;
    call.on_done = count_call;
    call.user = user_of(1);
    call.drop = count_drop;
    CHECK_IS(pool_submit_call(pool, &call, &other), POOL_ERR_OS);
    CHECK(other == NULL);
    check_counts(1, 0, 1);
    CHECK_EQUAL(pool_count_pending_tasks(pool), 0);
    has_no_more_threads = false;

    CHECK_OK(future_on_done(future, count_call, user_of(2), count_drop, NULL));
    release(0);
    await_drop(2);
    check_counts(2, 1, 1);
    future_free(future);
    pool_free(pool);
    check_counts(0, 0, 1);
    refuses_listeners(options);
    return leaves_nothing_behind();
}
