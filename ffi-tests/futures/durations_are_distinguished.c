/* The time that a task waited and the time that it ran are measured separately. */
#include "rendezvous.h"

enum { GATE = 0 };

static void pass_some_time(void) {
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, NULL);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    future_t *first, *second;
    uint64_t waited = 1, ran = 1, begin = now_ns();

    occupy(pool, GATE, 1, &first);
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &second));
    uint64_t both_there = now_ns();
    pass_some_time();
    CHECK_OK(future_duration(first, &waited, &ran));
    CHECK(waited == 0 && ran == 0); /* Nothing is said before the end. */
    uint64_t least = now_ns() - both_there;
    release(GATE);
    CHECK_OK(future_wait(second, POOL_FOREVER));
    uint64_t most = now_ns() - begin;

    CHECK_OK(future_duration(first, NULL, &ran));
    CHECK(ran >= least && ran <= most);
    CHECK_OK(future_duration(second, &waited, &ran));
    CHECK(waited >= least && waited + ran <= most);

    future_free(first);
    future_free(second);
    pool_free(pool);
    return leaves_nothing_behind();
}
