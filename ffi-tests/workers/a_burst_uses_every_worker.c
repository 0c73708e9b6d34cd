/* Tasks that are submitted together run together: none waits while a worker is free. */
#include "rendezvous.h"

enum { WORKERS = 4, BURSTS = 200 };

/* Ends only when as many tasks of its burst run as there are workers. */
static int32_t meet_the_others(pool_task_t *task) {
    uint32_t place;
    memcpy(&place, pool_task_args(task, NULL), sizeof place);
    CHECK(pool_task_worker(task) < WORKERS);
    word_add(place, 1);
    word_wait(place, WORKERS);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, WORKERS);
    for (uint32_t burst = 0; burst < BURSTS; burst++) {
        future_t *futures[WORKERS];
        uint32_t place = WORD_FIRST + burst;
        for (int i = 0; i < WORKERS; i++) {
            CHECK_OK(pool_submit(pool, meet_the_others, &place, sizeof place, &futures[i]));
        }
        wait_and_free(futures, WORKERS);
        /* Now and then all fall asleep before the next burst. */
        if (burst % 20 == 19) pause_briefly();
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
