/* A program whose calls are interrupted by signals all the time, with a handler that does not restart system calls, gets
 * the same answers: waits last as long as they were asked to, and nothing fails. */
#include "rendezvous.h"
#include <errno.h>
#include <signal.h>
#include <sys/time.h>

enum { ROUNDS = 4, TASKS = 50, GATE = 0, WAIT_MS = 20, BIG = 300000 };

static volatile sig_atomic_t ticks;

static void tick(int signal) {
    (void)signal;
    ticks++;
}

static int32_t return_much(pool_task_t *task) {
    return pool_task_result(task, BIG) == NULL;
}

static void wait_in_vain(pool_t *pool, future_t *running) {
    uint64_t began = now_ns();
    size_t n;
    CHECK_IS(future_wait(running, WAIT_MS), POOL_ERR_TIMEOUT);
    CHECK_IS(pool_wait_idle(pool, WAIT_MS), POOL_ERR_TIMEOUT);
    CHECK_IS(future_wait_many(&running, 1, POOL_WAIT_ALL, WAIT_MS, &n), POOL_ERR_TIMEOUT);
    CHECK_IS(pool_join(pool, WAIT_MS), POOL_ERR_TIMEOUT);
    CHECK(now_ns() - began >= 4 * WAIT_MS * 1000000ull);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    struct sigaction action = {.sa_handler = tick};
    struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        future_t *futures[TASKS], *running;
        pool_t *pool = new_pool(&options, 2);
        for (uint64_t i = 0; i < TASKS; i++) {
            CHECK_OK(pool_submit(pool, i % 8 ? square : return_much, &i, sizeof i, &futures[i]));
        }
        for (uint64_t i = 0; i < TASKS; i++) {
            if (i % 8) CHECK_EQUAL(collect_number(futures[i]), i * i);
            else CHECK_OK(future_collect(futures[i], POOL_FOREVER, &(const void *){NULL}, NULL));
        }
        future_free_many(futures, TASKS);
        if (options.kind != POOL_INLINE) {
            reset_gate(GATE);
            occupy(pool, GATE, 1, &running);
            wait_in_vain(pool, running);
            CHECK_OK(pool_resize(pool, 3, POOL_FOREVER));
            release(GATE);
            wait_and_free(&running, 1);
        }
        CHECK_OK(pool_join(pool, POOL_FOREVER));
        CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
        pool_free(pool);
    }
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(ticks > 0 || options.kind == POOL_INLINE); /* which waits for nothing */
    return leaves_nothing_behind();
}
