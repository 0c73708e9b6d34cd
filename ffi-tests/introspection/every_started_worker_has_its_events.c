/* Each worker that pool_stats counts as started was reported as starting, and as exited when the pool is over:
 * also if the pool is shut down while its first workers are being started. */
#include "rendezvous.h"

enum { ROUNDS = 40 };

static _Atomic uint64_t starting, exited;

static void count_event(const pool_event_t *event, void *user) {
    (void)user;
    if (event->kind == POOL_EVENT_STARTING) starting++;
    if (event->kind == POOL_EVENT_EXITED) exited++;
}

int main(int argc, char **argv) {
    static const pool_stop_t modes[] = {POOL_STOP_KILL, POOL_STOP_CANCEL, POOL_STOP_DRAIN};
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    options.on_event = count_event;
    options.kill_grace_ms = options.kind == POOL_PROCESS ? POOL_NOW : 0;
    for (int round = 0; round < ROUNDS; round++) {
        pool_stats_t stats = POOL_STATS_INIT;
        starting = exited = 0;
        pool_t *pool = new_pool(&options, 3);
        CHECK_OK(pool_spawn_workers(pool, 3, NULL));
        for (int turn = round % 5; turn > 0; turn--) usleep(200);
        CHECK_OK(pool_shutdown(pool, modes[round % 3], POOL_FOREVER));
        CHECK_OK(pool_stats(pool, &stats));
        CHECK_EQUAL(starting, stats.workers_started);
        CHECK_EQUAL(exited, stats.workers_started);
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
