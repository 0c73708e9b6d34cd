/* A wait for many futures ends with the first one, with the first failure, or with the last one; the futures
 * can belong to several pools. */
#include "rendezvous.h"
#include <pthread.h>

enum { N = 4 };

static int32_t fail_at_gate(pool_task_t *task) {
    wait_at_gate(task);
    return 1;
}

static future_t *submit_failure(pool_t *pool, uint32_t gate) {
    future_t *future;
    CHECK_OK(pool_submit(pool, fail_at_gate, &gate, sizeof gate, &future));
    return future;
}

struct waiting {
    future_t **futures;
    pool_wait_t mode;
    size_t done;
};

static void *wait_in_a_thread(void *argument) {
    struct waiting *waiting = (struct waiting *)argument;
    CHECK_OK(future_wait_many(waiting->futures, N, waiting->mode, POOL_FOREVER, &waiting->done));
    return NULL;
}

/* Four tasks of two pools, each at its own gate. The third fails. */
static void submit_four(pool_t *one, pool_t *two, uint32_t gate, future_t **futures) {
    futures[0] = submit_to_gate(one, gate);
    futures[1] = submit_to_gate(two, gate + 1);
    futures[2] = submit_failure(one, gate + 2);
    futures[3] = submit_to_gate(two, gate + 3);
    for (uint32_t i = 0; i < N; i++) word_wait(gate_started(gate + i), 1);
}

static void ends_when(pool_t *one, pool_t *two, pool_wait_t mode, uint32_t gate, size_t opened) {
    future_t *futures[N];
    struct waiting waiting = {futures, mode, 0};
    pthread_t thread;
    submit_four(one, two, gate, futures);
    CHECK_IS(future_wait_many(futures, N, mode, 0, &waiting.done), POOL_ERR_TIMEOUT);
    CHECK_EQUAL(waiting.done, 0);
    pthread_create(&thread, NULL, wait_in_a_thread, &waiting);
    for (uint32_t i = 0; i < opened; i++) {
        CHECK(!future_is_done(futures[i]));
        release(gate + i);
        CHECK_OK(future_wait(futures[i], POOL_FOREVER));
    }
    pthread_join(thread, NULL);
    CHECK(waiting.done >= 1 && waiting.done <= opened);
    /* Now it is so, and asking again does not block. */
    CHECK_OK(future_wait_many(futures, N, mode, 0, &waiting.done));
    CHECK_EQUAL(waiting.done, opened);
    for (uint32_t i = 0; i < N; i++) release(gate + i);
    wait_and_free(futures, N);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *one = new_pool(&options, 2), *two = new_pool(&options, 2);
    future_t *futures[N];
    size_t done = 99;

    ends_when(one, two, POOL_WAIT_FIRST, 0, 1);
    ends_when(one, two, POOL_WAIT_FIRST_ERROR, 10, 3);
    ends_when(one, two, POOL_WAIT_ALL, 20, 4);

    /* No futures are all done. */
    CHECK_OK(future_wait_many(NULL, 0, POOL_WAIT_ALL, POOL_FOREVER, &done));
    CHECK_EQUAL(done, 0);

    /* The same future twice counts twice; without a failure the first failure is the end. */
    for (int i = 0; i < 2; i++) CHECK_OK(pool_submit(one, warm_up, NULL, 0, &futures[i]));
    futures[2] = futures[0];
    futures[3] = futures[1];
    CHECK_OK(future_wait_many(futures, N, POOL_WAIT_FIRST_ERROR, POOL_FOREVER, &done));
    CHECK_EQUAL(done, N);
    CHECK_OK(future_wait_many(futures, N, POOL_WAIT_ALL, INT64_MAX, &done));
    CHECK_EQUAL(done, N);

    /* A time that is too short is one for all, and changes nothing. */
    futures[2] = submit_to_gate(one, 30);
    CHECK_IS(future_wait_many(futures, 3, POOL_WAIT_ALL, 5, &done), POOL_ERR_TIMEOUT);
    CHECK_EQUAL(done, 2);
    CHECK_IS(future_wait_many(futures, 3, 9, 0, &done), POOL_ERR_INVALID);
    CHECK_IS(future_wait_many(NULL, 3, POOL_WAIT_ALL, 0, &done), POOL_ERR_INVALID);
    futures[3] = NULL;
    CHECK_IS(future_wait_many(futures, N, POOL_WAIT_FIRST, 0, &done), POOL_ERR_INVALID);
    CHECK_EQUAL(done, 0);
    release(30);
    wait_and_free(futures, 3);
    pool_free(one);
    pool_free(two);
    return leaves_nothing_behind();
}
