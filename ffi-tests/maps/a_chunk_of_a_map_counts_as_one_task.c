/* A chunk of a map is one of max_tasks_per_worker tasks, however many items it has. */
#include "lifecycle.h"

enum { ITEMS = 40, CHUNK = 10, MOST = 2 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    count_lifecycle(&options);
    options.max_tasks_per_worker = MOST;
    pool_t *pool = new_pool(&options, 1);
    pool_map_options_t map = POOL_MAP_INIT;
    uint8_t items[ITEMS] = {0};
    uint64_t results[ITEMS];
    map.chunk_size = CHUNK;
    CHECK_OK(pool_map(pool, count_task, items, 1, ITEMS, &map, results, 8, NULL));
    for (int i = 0; i < ITEMS; i++) CHECK_EQUAL(results[i], i % (MOST * CHUNK));
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(INITIALIZED), ITEMS / CHUNK / MOST);
    CHECK_EQUAL(word_get(FINALIZED), ITEMS / CHUNK / MOST);
    pool_free(pool);
    return leaves_nothing_behind();
}
