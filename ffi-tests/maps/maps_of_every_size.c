/* A map gives the same whatever the sizes of its items and results, however many there are, and
 * however they are cut into chunks. */
#include "sizes.h"

static const size_t ITEM_SIZES[] = {0, 1, 3, 4, 8, 12, 16, 24, 100, 4096};
static const size_t RESULT_SIZES[] = {0, 1, 4, 8, 12, 16, 33, 1000};
static const size_t COUNTS[] = {1, 2, 3, 17, 100};
static const size_t CHUNK_SIZES[] = {0, 1, 2, 7, 99, 100, 101, SIZE_MAX / 8};

/* Bytes of a struct of this size are aligned as such a struct may have to be. */
static int is_aligned_like_a_struct(const void *bytes, size_t size) {
    size_t alignment = size & (~size + 1);
    if (alignment == 0 || alignment > _Alignof(max_align_t)) alignment = _Alignof(max_align_t);
    return size == 0 || (uintptr_t)bytes % alignment == 0;
}

/* The first byte of a result is made of all bytes of the item; the others follow from it. */
static uint8_t mark(const uint8_t *item, size_t size, size_t place) {
    uint8_t sum = (uint8_t)(size + place);
    for (size_t i = 0; i < size; i++) sum = (uint8_t)(sum * 31 + item[i]);
    return sum;
}

static int32_t make(pool_task_t *task, size_t result_size) {
    size_t size;
    const uint8_t *item = (const uint8_t *)pool_task_args(task, &size);
    CHECK(item != NULL && is_aligned_like_a_struct(item, size));
    uint8_t first = mark(item, size, 0);
    uint8_t *result = (uint8_t *)pool_task_result(task, result_size);
    CHECK(result != NULL && is_aligned_like_a_struct(result, result_size));
    for (size_t i = 0; i < result_size; i++) result[i] = (uint8_t)(first + i);
    return 0;
}

#define MAKE(size)                                                                                \
    static int32_t make_##size(pool_task_t *task) {                                               \
        return make(task, size);                                                                  \
    }
MAKE(0) MAKE(1) MAKE(4) MAKE(8) MAKE(12) MAKE(16) MAKE(33) MAKE(1000)

static const pool_task_fn makers[] = {make_0,  make_1,  make_4,  make_8,
                                      make_12, make_16, make_33, make_1000};

static uint8_t items[100 * 4096], results[100 * 1000 + 1];
static pool_status_t statuses[101];

static void map_one(pool_t *pool, size_t item_size, size_t maker, size_t n, size_t chunk_size) {
    pool_map_options_t options = POOL_MAP_INIT;
    size_t size = RESULT_SIZES[maker];
    options.chunk_size = chunk_size;
    memset(results, 0xee, sizeof results);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) statuses[i] = -1;
    CHECK_OK(pool_map(pool, makers[maker], items, item_size, n, &options, results, size, statuses));
    for (size_t i = 0; i < n; i++) {
        uint8_t first = mark(items + i * item_size, item_size, 0);
        for (size_t k = 0; k < size; k++) {
            CHECK_EQUAL(results[i * size + k], (uint8_t)(first + k));
        }
        CHECK_IS(statuses[i], POOL_OK);
    }
    CHECK_EQUAL(results[n * size], 0xee);
    CHECK_EQUAL(statuses[n], -1);
}

/* An item, or a result, of many MiB; and so many items that they are. */
static int32_t first_of_many(pool_task_t *task) {
    size_t size;
    const uint8_t *item = (const uint8_t *)pool_task_args(task, &size);
    CHECK(is_filled(item, size));
    uint8_t *result = (uint8_t *)pool_task_result(task, size);
    CHECK(result != NULL);
    memcpy(result, item, size);
    return 0;
}

static void large_ones(pool_t *pool) {
    enum { N = 5 };
    size_t size = 10 * MIB;
    char *in = (char *)malloc(N * size), *out = (char *)malloc(N * size);
    pool_map_options_t options = POOL_MAP_INIT;
    CHECK(in != NULL && out != NULL);
    for (size_t i = 0; i < N; i++) fill(in + i * size, size);
    for (options.chunk_size = 0; options.chunk_size < 3; options.chunk_size++) {
        memset(out, 0, N * size);
        CHECK_OK(pool_map(pool, first_of_many, in, size, N, &options, out, size, NULL));
        CHECK(memcmp(in, out, N * size) == 0);
    }
    free(in);
    free(out);

    enum { MANY = 1000000 };
    uint64_t *numbers = (uint64_t *)malloc(MANY * 8), *squares = (uint64_t *)malloc(MANY * 8);
    CHECK(numbers != NULL && squares != NULL);
    for (uint64_t i = 0; i < MANY; i++) numbers[i] = i;
    for (size_t k = 0; k < 2; k++) {
        options.chunk_size = k * 5000;
        memset(squares, 0xee, MANY * 8);
        CHECK_OK(pool_map(pool, square, numbers, 8, MANY, &options, squares, 8, NULL));
        for (uint64_t i = 0; i < MANY; i++) CHECK_EQUAL(squares[i], i * i);
    }
    /* Into its own items. */
    CHECK_OK(pool_map(pool, square, numbers, 8, 1000, NULL, numbers, 8, NULL));
    for (uint64_t i = 0; i < 1000; i++) CHECK_EQUAL(numbers[i], i * i);
    free(numbers);
    free(squares);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    for (size_t i = 0; i < sizeof items; i++) items[i] = (uint8_t)(i * 167 + i / 256);
    for (size_t i = 0; i < COUNT_OF(ITEM_SIZES); i++) {
        for (size_t maker = 0; maker < COUNT_OF(makers); maker++) {
            for (size_t k = 0; k < COUNT_OF(COUNTS); k++) {
                size_t chunk = CHUNK_SIZES[(i + maker + k) % COUNT_OF(CHUNK_SIZES)];
                map_one(pool, ITEM_SIZES[i], maker, COUNTS[k], chunk);
            }
        }
    }
    for (size_t k = 0; k < COUNT_OF(COUNTS); k++) {
        for (size_t chunk = 0; chunk < COUNT_OF(CHUNK_SIZES); chunk++) {
            map_one(pool, 12, 3, COUNTS[k], CHUNK_SIZES[chunk]);
        }
    }
    large_ones(pool);
    pool_free(pool);
    return leaves_nothing_behind();
}
