/* pool_process_events returns without running anything when it is called from a callback or while another
 * thread is in it. Threads that take turns call each callback once; a concurrent shutdown calls those that
 * they leave. */
#include "external_driver.h"

enum { GATE = 60, N = 300, THREADS = 4 };

static pool_t *pool;
static _Atomic int is_inside, is_over;

static void process_within(future_t *future, void *user) {
    uint32_t n = 7;
    count_driven(future, user);
    CHECK_OK(pool_process_events(pool, &n));
    CHECK_EQUAL(n, 0);
    CHECK_OK(pool_process_events(pool, NULL));
}

static void wait_in_callback(future_t *future, void *user) {
    word_add(gate_started(GATE), 1);
    word_wait(gate_open(GATE), 1);
    count_driven(future, user);
}

static void alone(future_t *future, void *user) {
    CHECK_EQUAL(atomic_fetch_add(&is_inside, 1), 0);
    count_driven(future, user);
    CHECK_EQUAL(atomic_fetch_add(&is_inside, -1), 1);
}

static void *process_once(void *unused) {
    (void)unused;
    CHECK(is_due_within(pool, -1));
    CHECK_EQUAL(process_events(pool), 1);
    return NULL;
}

static void *process_until_over(void *unused) {
    (void)unused;
    while (!atomic_load(&is_over)) {
        is_due_within(pool, 1);
        process_events(pool);
    }
    return NULL;
}

static void *shut_it_down(void *unused) {
    (void)unused;
    may_call = 1;
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    return NULL;
}

/* Another thread is in the callback of this future, and nothing else was due. */
static future_t *block(pthread_t *thread, size_t n) {
    future_t *future = submit_warm_up(pool);
    reset_gate(GATE);
    CHECK_OK(future_on_done(future, wait_in_callback, user_of(n), count_driven_drop, NULL));
    pthread_create(thread, NULL, process_once, NULL);
    word_wait(gate_started(GATE), 1);
    return future;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pthread_t thread, threads[THREADS];
    future_t *futures[N];
    pool = new_driven_pool(&options, 2);

    /* From a callback, with another one due. */
    for (size_t i = 0; i < 2; i++) {
        futures[i] = submit_warm_up(pool);
        CHECK_OK(future_wait(futures[i], POOL_FOREVER));
        CHECK_OK(future_on_done(futures[i], process_within, user_of(i), count_driven_drop, NULL));
    }
    for (size_t i = 0; i < 2; i++) drive_until_drop(pool, i);
    for (size_t i = 0; i < 2; i++) check_counts(i, 1, 1);
    for (size_t i = 0; i < 2; i++) future_free(futures[i]);

    /* While another thread is in one. */
    futures[0] = block(&thread, 2);
    futures[1] = submit_warm_up(pool);
    count_when_driven(futures[1], 3);
    CHECK(is_due_within(pool, -1));
    CHECK_EQUAL(process_events(pool), 0);
    check_due(pool, 1);
    release(GATE);
    pthread_join(thread, NULL);
    CHECK_EQUAL(process_events(pool), 1);
    check_due(pool, 0);
    for (size_t i = 2; i < 4; i++) check_counts(i, 1, 1);
    for (size_t i = 0; i < 2; i++) future_free(futures[i]);

    /* Several threads, all the time. */
    for (size_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, process_until_over, NULL);
    }
    for (size_t i = 0; i < N; i++) {
        futures[i] = submit_warm_up(pool);
        CHECK_OK(future_on_done(futures[i], alone, user_of(100 + i), count_driven_drop, NULL));
    }
    for (size_t i = 0; i < N; i++) await_drop(100 + i);
    atomic_store(&is_over, 1);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (size_t i = 0; i < N; i++) check_counts(100 + i, 1, 1);
    for (size_t i = 0; i < N; i++) future_free(futures[i]);

    /* A shutdown while another thread is in the first of several. */
    futures[0] = block(&thread, 4);
    for (size_t i = 1; i < 4; i++) {
        futures[i] = submit_warm_up(pool);
        count_when_driven(futures[i], 4 + i);
    }
    CHECK(is_due_within(pool, -1));
    pthread_create(&threads[0], NULL, shut_it_down, NULL);
    for (int i = 0; i < 20; i++) pause_briefly();
    release(GATE);
    pthread_join(thread, NULL);
    pthread_join(threads[0], NULL);
    for (size_t i = 4; i < 8; i++) check_counts(i, 1, 1);
    for (size_t i = 0; i < 4; i++) future_free(futures[i]);
    pool_free(pool);
    return leaves_nothing_behind();
}
