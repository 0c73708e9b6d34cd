/* However much passes through a lazy map, it keeps no more than its window: neither this process nor
 * a worker grows with the number of items. */
#include "lazy_map.h"

enum { N = 10000, WARM = 1000, SIZE = 100000, KIB = 1024 };

static uint8_t bytes[SIZE];

static pool_status_t next_bytes(void *user, const void **item, size_t *len) {
    uint64_t *pulled = (uint64_t *)user;
    if (*pulled == N) return POOL_ERR_END;
    memcpy(bytes, pulled, sizeof *pulled);
    bytes[SIZE - 1] = (uint8_t)*pulled;
    (*pulled)++;
    *item = bytes;
    *len = SIZE;
    return POOL_OK;
}

static size_t resident_kib(void) {
    char line[256];
    size_t kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file)) sscanf(line, "VmRSS: %zu", &kib);
    fclose(file);
    CHECK(kib > 0);
    return kib;
}

/* The result is as large as the item, and ends with how large the worker is. */
static int32_t copy_bytes(pool_task_t *task) {
    size_t len;
    const void *item = pool_task_args(task, &len);
    uint8_t *result = (uint8_t *)pool_task_result(task, len);
    CHECK(result != NULL && len == SIZE);
    memcpy(result, item, len);
    uint64_t kib = resident_kib();
    memcpy(result + len - sizeof kib - 1, &kib, sizeof kib);
    return 0;
}

static void map(pool_t *pool, int is_unordered) {
    pool_map_options_t options = POOL_MAP_INIT;
    pool_map_t *map;
    uint64_t pulled = 0, index, number, worker = 0, worker_before = 0;
    size_t before = 0, len;
    const void *data;
    options.unordered = is_unordered;
    options.window = 16;
    options.chunk_size = 2;
    CHECK_OK(pool_map_start(pool, copy_bytes, next_bytes, &pulled, &options, &map));
    for (int i = 0; i < N; i++) {
        CHECK_OK(pool_map_next(map, POOL_FOREVER, &data, &len, &index));
        CHECK_EQUAL(len, SIZE);
        memcpy(&number, data, sizeof number);
        CHECK_EQUAL(number, index);
        CHECK_EQUAL(((const uint8_t *)data)[SIZE - 1], (uint8_t)index);
        memcpy(&worker, (const uint8_t *)data + SIZE - sizeof worker - 1, sizeof worker);
        if (i < WARM) {
            before = resident_kib();
            worker_before = worker > worker_before ? worker : worker_before;
        }
    }
    CHECK_IS(pool_map_next(map, POOL_FOREVER, &data, &len, &index), POOL_ERR_END);
    pool_map_free(map);
    /* Nearly a gigabyte has passed by. */
    printf("%zu KiB, before %zu; worker %zu, before %zu\n", resident_kib(), before, (size_t)worker,
           (size_t)worker_before);
    CHECK(resident_kib() < 2 * before + 50 * KIB);
    CHECK(worker < 2 * worker_before + 50 * KIB);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    map(pool, 0);
    map(pool, 1);
    pool_free(pool);
    return leaves_nothing_behind();
}
