/* The destructors of a thread's variables, of pthread_key_create and of C++, may call everything, in any order and
 * as often as the C library runs them: whatever the library keeps for a thread is there, or not missed. */
#include "lazy_map.h"
#include <pthread.h>

enum { ITEMS = 20, ROUNDS = 4 }; /* PTHREAD_DESTRUCTOR_ITERATIONS of glibc */

/* What C++ calls for a thread_local with a destructor. */
extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
extern void *__dso_handle;

/* When a thread registers the destructors, and whether it has called the library before. */
enum { CXX_FIRST = 1, KEY_FIRST = 2, CALL = 4, CXX_LAST = 8, N_ORDERS = 16 };

static pthread_key_t key;
static pool_t *shared;
static pool_options_t options;
static _Atomic int calls;

static void count(future_t *future, void *user) {
    (void)future;
    atomic_fetch_add((_Atomic int *)user, 1);
}

/* A status that some kinds answer, because they have no workers to change. */
static void check_supported(pool_status_t status) {
    if (options.kind != POOL_INLINE || status != POOL_ERR_UNSUPPORTED) CHECK_OK(status);
}

static void use_futures(pool_t *pool) {
    uint64_t number = 3, result = 0, id;
    future_t *futures[3], *done, *promise;
    future_set_t *set;
    _Atomic int called = 0;
    CHECK_OK(pool_run(pool, square, &number, sizeof number, POOL_FOREVER, &result, sizeof result, NULL));
    CHECK_EQUAL(result, 9);
    CHECK_OK(future_set_new(&set));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(pool_submit(pool, square, &number, sizeof number, &futures[i]));
        CHECK_OK(future_on_done(futures[i], count, &called, NULL, &id));
        CHECK_OK(future_set_add(set, futures[i]));
    }
    for (int i = 0; i < 3; i++) CHECK_OK(future_set_next(set, POOL_FOREVER, &done));
    CHECK_OK(future_wait_many(futures, 3, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    future_set_free(set);
    for (int i = 0; i < 3; i++) future_free(futures[i]);
    while (atomic_load(&called) < 3) pause_briefly();
    CHECK_OK(future_new_promise(&promise));
    CHECK_OK(future_resolve(promise, &number, sizeof number));
    CHECK_OK(future_wait(promise, POOL_FOREVER));
    future_free(promise);
}

static void use_maps(pool_t *pool) {
    uint64_t items[ITEMS] = {0}, results[ITEMS];
    struct source source = {.end = ITEMS};
    future_t *future;
    CHECK_OK(pool_map(pool, square, items, sizeof *items, ITEMS, NULL, results, sizeof *results, NULL));
    CHECK_OK(pool_map_async(pool, square, items, sizeof *items, ITEMS, NULL, results, sizeof *results, NULL, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    future_free(future);
    pool_map_t *map = start_map(pool, square, &source, NULL);
    for (int i = 0; i < ITEMS; i++) take_square(map, &source);
    pool_map_free(map);
}

static void use_workers(pool_t *pool) {
    size_t len;
    check_supported(pool_spawn_workers(pool, 1, NULL));
    check_supported(pool_wait_ready(pool, 1, POOL_FOREVER));
    check_supported(pool_grow(pool, 1));
    check_supported(pool_resize(pool, 1, POOL_FOREVER));
    check_supported(pool_pause(pool));
    check_supported(pool_resume(pool));
    check_supported(pool_restart(pool, POOL_RESTART_GRACEFUL));
    (void)pool_info_json(pool, NULL, 0, &len);
    CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
}

static void call_everything(void) {
    pool_error_t error;
    use_futures(shared);
    pool_t *pool = new_pool(&options, 1);
    use_futures(pool);
    use_maps(pool);
    use_workers(pool);
    CHECK_OK(pool_check(pool, &error));
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    pool_free(pool);
    pool = new_pool(&options, 1);
    use_futures(pool);
    CHECK_OK(pool_close(pool));
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    pool_free(pool);
    atomic_fetch_add(&calls, 1);
}

static void at_end_of_variable(void *unused) {
    (void)unused;
    call_everything();
}

static void at_end_of_key(void *value) {
    uintptr_t round = (uintptr_t)value;
    call_everything();
    if (round < ROUNDS) CHECK(pthread_setspecific(key, (void *)(round + 1)) == 0);
}

static void *live(void *order_of) {
    int order = *(int *)order_of;
    if (order & CXX_FIRST) __cxa_thread_atexit_impl(at_end_of_variable, NULL, &__dso_handle);
    if (order & KEY_FIRST) CHECK(pthread_setspecific(key, (void *)1) == 0);
    if (order & CALL) call_everything();
    if (order & CXX_LAST) __cxa_thread_atexit_impl(at_end_of_variable, NULL, &__dso_handle);
    if (!(order & KEY_FIRST)) CHECK(pthread_setspecific(key, (void *)1) == 0);
    return NULL;
}

int main(int argc, char **argv) {
    options = test_begin(argc, argv);
    CHECK(pthread_key_create(&key, at_end_of_key) == 0);
    shared = new_pool(&options, 1);
    for (int order = 0; order < N_ORDERS; order++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, live, &order) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    CHECK(atomic_load(&calls) >= N_ORDERS * ROUNDS);
    pool_free(shared);
    return leaves_nothing_behind();
}
