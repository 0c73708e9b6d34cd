/* The results of a lazy map are returned in the order of their items, or else in the order of completion;
 * each once, with its index, of any size, and with its own failure. Progress is reported for each. */
#include "lazy_map.h"

enum { N = 600, SLOW = 3 };

/* Item 3 waits at the gate. */
static int32_t wait_if_slow(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    if (n == SLOW) word_wait(gate_open(0), 1);
    return square(task);
}

static void one_is_slow(pool_t *pool, int is_unordered) {
    struct source source = {.end = 50};
    pool_map_options_t options = POOL_MAP_INIT;
    options.unordered = is_unordered;
    options.chunk_size = 1;
    options.window = 6;
    word_set(gate_open(0), 0);
    pool_map_t *map = start_map(pool, wait_if_slow, &source, &options);
    uint8_t seen[50] = {0};
    for (uint64_t i = 0; i < (is_unordered ? 49 : SLOW); i++) {
        uint64_t index = take_square(map, &source);
        CHECK(index != SLOW && !seen[index]++);
        if (!is_unordered) CHECK_EQUAL(index, i);
    }
    check_next(map, 0, POOL_ERR_TIMEOUT);
    check_next(map, 5, POOL_ERR_TIMEOUT);
    release(0);
    CHECK_EQUAL(take_square(map, &source), SLOW);
    for (uint64_t i = SLOW + 1; !is_unordered && i < 50; i++) {
        CHECK_EQUAL(take_square(map, &source), i);
    }
    check_next(map, POOL_FOREVER, POOL_ERR_END);
    pool_map_free(map);
}

/* Item n has n * 37 % 5000 bytes; now and then one has a MiB. */
static char bytes[1 << 20];
static uint64_t n_pulled;

static size_t size_of_item(uint64_t n) {
    return n % 100 == 99 ? sizeof bytes : n * 37 % 5000;
}

static pool_status_t next_bytes(void *user, const void **item, size_t *len) {
    CHECK(user == &n_pulled);
    if (n_pulled == N) return POOL_ERR_END;
    *len = size_of_item(n_pulled);
    *item = *len ? bytes : NULL;
    memset(bytes, (int)(n_pulled++ % 251), *len);
    return POOL_OK;
}

/* Twice the bytes of the item, or a failure. */
static int32_t double_bytes(pool_task_t *task) {
    size_t len;
    const char *item = (const char *)pool_task_args(task, &len);
    CHECK(item != NULL && (uintptr_t)item % (len > 8 ? _Alignof(max_align_t) : 8) == 0);
    if (len % 7 == 3) return pool_task_fail(task, (int32_t)len, "seven and three");
    if (len % 7 == 5) return -1;
    char *result = (char *)pool_task_result(task, 2 * len);
    CHECK(result != NULL);
    memcpy(result, item, len);
    memcpy(result + len, item, len);
    return 0;
}

struct progress {
    uint64_t done, calls;
};

static void note(uint64_t done, uint64_t total, void *user) {
    struct progress *progress = (struct progress *)user;
    CHECK_EQUAL(done, progress->done + 1);
    CHECK(total == 0 || total == N);
    progress->done = done;
    progress->calls++;
}

static void of_all_sizes(pool_t *pool, int is_unordered, size_t chunk_size) {
    static uint8_t seen[N];
    struct progress progress = {0, 0};
    pool_map_options_t options = POOL_MAP_INIT;
    pool_map_t *map;
    options.unordered = is_unordered;
    options.chunk_size = chunk_size;
    options.on_progress = note;
    options.user = &progress;
    memset(seen, 0, sizeof seen);
    n_pulled = 0;
    CHECK_OK(pool_map_start(pool, double_bytes, next_bytes, &n_pulled, &options, &map));
    for (uint64_t i = 0; i < N; i++) {
        const void *data;
        size_t len;
        uint64_t index;
        pool_error_t error;
        pool_status_t status = pool_map_next(map, POOL_FOREVER, &data, &len, &index);
        CHECK(index < N && !seen[index]++);
        if (!is_unordered) CHECK_EQUAL(index, i);
        size_t size = size_of_item(index);
        int is_bad = size % 7 == 3 || size % 7 == 5;
        CHECK_IS(status, is_bad ? POOL_ERR_TASK : POOL_OK);
        CHECK_OK(pool_map_error(map, &error));
        CHECK_IS(error.status, status);
        CHECK_EQUAL(error.task_code, is_bad ? (size % 7 == 3 ? (int32_t)size : -1) : 0);
        CHECK_EQUAL(strcmp(error.message, "seven and three") == 0, is_bad && size % 7 == 3);
        CHECK(is_bad == (data == NULL));
        CHECK_EQUAL(len, is_bad ? 0 : 2 * size);
        for (size_t k = 0; !is_bad && k < len; k += 1 + len / 50) {
            CHECK_EQUAL(((const uint8_t *)data)[k], index % 251);
        }
        CHECK_EQUAL(progress.done, i + 1);
    }
    check_next(map, POOL_FOREVER, POOL_ERR_END);
    CHECK_EQUAL(progress.calls, N);
    pool_map_free(map);
}

int main(int argc, char **argv) {
    static const size_t CHUNK_SIZES[] = {0, 1, 2, 9, 100};
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    if (options.kind != POOL_INLINE) {
        one_is_slow(pool, 0);
        one_is_slow(pool, 1);
    }
    for (size_t i = 0; i < COUNT_OF(CHUNK_SIZES); i++) {
        of_all_sizes(pool, 0, CHUNK_SIZES[i]);
        of_all_sizes(pool, 1, CHUNK_SIZES[i]);
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
