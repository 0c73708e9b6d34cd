/* Promises can be waited for by many threads, among tasks, in sets, and with callbacks; those who
 * wait wake when the promise is kept, by a thread, by a task, or by a callback. */
#include "callbacks.h"
#include <pthread.h>

enum { THREADS = 6, N = 1000 };

static void *collect_42(void *promise) {
    CHECK_EQUAL(collect_number((future_t *)promise), 42);
    return NULL;
}

static void *resolve_each(void *promises) {
    for (uint64_t i = 0; i < N; i++) {
        CHECK_OK(future_resolve(((future_t **)promises)[i], &i, sizeof i));
    }
    return NULL;
}

static void resolve_other(future_t *future, void *user) {
    uint64_t number = collect_number(future);
    CHECK_OK(future_resolve((future_t *)user, &number, sizeof number));
}

static int32_t resolve_in_task(pool_task_t *task) {
    uint64_t number = 42;
    future_t *promise;
    memcpy(&promise, pool_task_args(task, NULL), sizeof promise);
    return future_resolve(promise, &number, sizeof number);
}

static void many_wait_for_one(void) {
    pthread_t threads[THREADS];
    future_t *promise;
    uint64_t number = 42;
    CHECK_OK(future_new_promise(&promise));
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, collect_42, promise);
    for (int i = 0; i < 5; i++) pause_briefly();
    CHECK_OK(future_resolve(promise, &number, sizeof number));
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    future_free(promise);
}

/* One thread keeps them while this one waits in all the ways there are. */
static void one_waits_for_many(void) {
    static future_t *promises[N];
    pthread_t thread;
    future_set_t *set;
    future_t *taken;
    uint64_t number = 0;
    CHECK_OK(future_set_new(&set));
    for (size_t i = 0; i < N; i++) {
        CHECK_OK(future_new_promise(&promises[i]));
        CHECK_OK(future_set_add(set, promises[i]));
        count_when_done(promises[i], i);
    }
    size_t done = 9;
    CHECK_IS(future_wait_many(promises, N, POOL_WAIT_FIRST, 0, &done), POOL_ERR_TIMEOUT);
    CHECK_EQUAL(done, 0);
    pthread_create(&thread, NULL, resolve_each, promises);
    CHECK_OK(future_wait_many(promises, N, POOL_WAIT_FIRST, POOL_FOREVER, &done));
    CHECK(done >= 1);
    for (uint64_t i = 0; i < N; i++) {
        CHECK_OK(future_set_next(set, POOL_FOREVER, &taken));
        number += collect_number(taken);
    }
    CHECK_EQUAL(number, (uint64_t)N * (N - 1) / 2);
    CHECK_IS(future_set_next(set, POOL_FOREVER, &taken), POOL_ERR_END);
    pthread_join(thread, NULL);
    CHECK_OK(future_collect_many(promises, N, POOL_FOREVER, NULL, NULL));
    for (size_t i = 0; i < N; i++) await_drop(i);
    for (size_t i = 0; i < N; i++) future_free(promises[i]);
    future_set_free(set);
}

static void among_tasks(pool_t *pool, int is_process) {
    future_t *futures[3], *by_callback;
    uint64_t six = 6, fortytwo = 42;
    size_t done;
    CHECK_OK(pool_submit(pool, square, &six, sizeof six, &futures[0]));
    CHECK_OK(future_new_promise(&futures[1]));
    CHECK_OK(future_new_promise(&by_callback));
    CHECK_OK(future_on_done(futures[0], resolve_other, by_callback, NULL, NULL));
    CHECK_OK(future_wait(futures[0], POOL_FOREVER));
    futures[2] = by_callback;
    CHECK_IS(future_wait_many(futures, 2, POOL_WAIT_ALL, 5, &done), POOL_ERR_TIMEOUT);
    CHECK_EQUAL(done, 1);
    if (is_process) CHECK_OK(future_resolve(futures[1], &fortytwo, sizeof fortytwo));
    if (!is_process) {
        CHECK_OK(pool_submit(pool, resolve_in_task, &futures[1], sizeof futures[1], NULL));
    }
    CHECK_OK(future_wait_many(futures, 3, POOL_WAIT_ALL, POOL_FOREVER, &done));
    CHECK_EQUAL(done, 3);
    CHECK_EQUAL(collect_number(futures[1]), 42);
    CHECK_EQUAL(collect_number(futures[2]), 36);
    for (int i = 0; i < 3; i++) future_free(futures[i]);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    many_wait_for_one();
    one_waits_for_many();
    for (int i = 0; i < 100; i++) among_tasks(pool, options.kind == POOL_PROCESS);
    pool_free(pool);
    for (size_t i = 0; i < N; i++) check_counts(i, 1, 1);
    return leaves_nothing_behind();
}
