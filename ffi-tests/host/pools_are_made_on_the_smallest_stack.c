/* A thread whose stack is the smallest that there is may use a pool from beginning to end. */
#include "rendezvous.h"
#include <limits.h>
#include <pthread.h>

static void *use_a_pool(void *options) {
    pool_t *pool = new_pool((const pool_options_t *)options, 2);
    future_t *future;
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    future_free(future);
    pool_free(pool);
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pthread_attr_t attributes;
    pthread_t thread;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN) == 0);
    CHECK(pthread_create(&thread, &attributes, use_a_pool, &options) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
    return leaves_nothing_behind();
}
