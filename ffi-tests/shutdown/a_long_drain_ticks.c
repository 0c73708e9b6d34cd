/* on_tick is called by the thread that waits for the pool, now and then: in a join, a shutdown and a
 * terminate, with the options' user; it may ask for a stronger shutdown, and cannot free the pool. */
#include "rendezvous.h"
#include <pthread.h>

enum { TICK_MS = 5, ENOUGH = 3, GATE = 0 };

static pool_t *pool;
static pthread_t waiter;
static int ticks, user;
static pool_status_t nested;
static enum { OPEN_GATE, SHUT_DOWN, FREE } act;

static void on_tick(void *given) {
    CHECK(given == &user);
    CHECK(pthread_equal(pthread_self(), waiter));
    if (++ticks != ENOUGH) return;
    if (act == SHUT_DOWN) nested = pool_shutdown(pool, POOL_STOP_KILL, 0);
    if (act == FREE) pool_free(pool);
    release(GATE);
}

static void begin(pool_options_t options, future_t **busy) {
    ticks = 0;
    reset_gate(GATE);
    pool = new_pool(&options, 1);
    *busy = submit_to_gate(pool, GATE);
    word_wait(gate_started(GATE), 1);
}

static void end(future_t *busy) {
    CHECK(ticks >= ENOUGH);
    CHECK(future_is_done(busy));
    future_free(busy);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    future_t *busy;
    waiter = pthread_self();
    options.on_tick = on_tick;
    options.user = &user;
    pool = new_pool(&options, 1);
    pool_options_t chosen = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &chosen));
    CHECK_EQUAL(chosen.tick_ms, 500);
    CHECK(chosen.on_tick == on_tick);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    pool_free(pool);
    options.tick_ms = TICK_MS;

    begin(options, &busy);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    end(busy);

    begin(options, &busy);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    end(busy);

    begin(options, &busy);
    act = FREE;
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    end(busy);

    begin(options, &busy);
    act = SHUT_DOWN;
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK(nested == POOL_ERR_TIMEOUT || nested == POOL_OK);
    end(busy);

    begin(options, &busy);
    act = OPEN_GATE;
    CHECK_IS(pool_shutdown(pool, POOL_STOP_DRAIN, TICK_MS * ENOUGH / 2), POOL_ERR_TIMEOUT);
    if (options.kind == POOL_THREAD) CHECK_OK(pool_terminate(pool, 60000));
    release(GATE);
    pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER);
    CHECK(ticks >= 1);
    ticks = ENOUGH;
    end(busy);
    return leaves_nothing_behind();
}
