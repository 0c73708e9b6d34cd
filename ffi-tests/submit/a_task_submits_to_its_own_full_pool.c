/* A task that submits to its own full pool does not wait for a queue position that no other thread would
 * free: it runs queued tasks itself. So a tree of tasks finishes on any number of threads, however short the
 * queue is. */
#include "queue.h"

enum { COUNT = WORD_FIRST, DEPTH = 9, FLAT = 300 };

static pool_t *pool;

/* Arguments: how many generations are to follow. */
int32_t grow(pool_task_t *task);
int32_t grow(pool_task_t *task) {
    uint32_t left;
    memcpy(&left, pool_task_args(task, NULL), sizeof left);
    word_add(COUNT, 1);
    if (left-- == 0) return 0;
    for (int child = 0; child < 2; child++)
        CHECK_OK(pool_submit(pool, grow, &left, sizeof left, NULL));
    return 0;
}

int32_t spread(pool_task_t *task);
int32_t spread(pool_task_t *task) {
    (void)task;
    uint32_t index = COUNT;
    for (int child = 0; child < FLAT; child++)
        CHECK_OK(pool_submit(pool, count_in_word, &index, sizeof index, NULL));
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_THREAD) return SKIPPED;
    for (uint32_t bound = 1; bound <= 4; bound += 3) {
        for (uint32_t workers = 1; workers <= 3; workers++) {
            uint32_t generations = DEPTH;
            word_set(COUNT, 0);
            options.max_pending = bound;
            pool = new_pool(&options, workers);
            CHECK_OK(pool_submit(pool, grow, &generations, sizeof generations, NULL));
            while (word_get(COUNT) < (2u << DEPTH) - 1) pause_briefly();
            CHECK_OK(pool_run(pool, spread, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
            CHECK_OK(pool_join(pool, POOL_FOREVER));
            CHECK_EQUAL(word_get(COUNT), (2u << DEPTH) - 1 + FLAT);
            pool_free(pool);
        }
    }
    return leaves_nothing_behind();
}
