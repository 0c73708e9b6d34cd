/* A map over several arrays sees element i of each as one struct, as C would lay it out, and as many
 * of them as the shortest array has elements. */
#include "rendezvous.h"

enum { N = 500 };

struct three_chars {
    char chars[3];
};

struct sixteen {
    _Alignas(16) uint64_t halves[2];
};

struct mixed {
    uint8_t byte;
    double real;
    uint16_t number;
    struct three_chars chars;
    struct sixteen sixteen;
    uint32_t last;
};

static uint8_t bytes[N + 3];
static double reals[N + 1];
static uint16_t numbers[N + 7];
static struct three_chars chars[N];
static struct sixteen sixteens[N + 2];
static uint32_t lasts[N + 9];
static uint64_t results[N];
static pool_status_t statuses[N];

static int32_t add_up(pool_task_t *task) {
    size_t len;
    const struct mixed *item = (const struct mixed *)pool_task_args(task, &len);
    CHECK_EQUAL(len, sizeof *item);
    CHECK((uintptr_t)item % _Alignof(struct mixed) == 0);
    uint64_t sum = item->byte + (uint64_t)item->real + item->number + item->sixteen.halves[0] +
                   item->sixteen.halves[1] + item->last;
    for (int i = 0; i < 3; i++) sum += (uint64_t)item->chars.chars[i];
    if (item->last == UINT32_MAX) return pool_task_fail(task, 1, "last");
    return pool_task_return(task, &sum, sizeof sum);
}

struct pair {
    uint16_t number;
    uint8_t byte;
};

static int32_t multiply(pool_task_t *task) {
    size_t len;
    const struct pair *item = (const struct pair *)pool_task_args(task, &len);
    CHECK_EQUAL(len, sizeof *item);
    uint64_t product = (uint64_t)item->number * item->byte;
    return pool_task_return(task, &product, sizeof product);
}

static void fill_arrays(void) {
    for (size_t i = 0; i < N; i++) {
        bytes[i] = (uint8_t)i;
        reals[i] = (double)i * 2;
        numbers[i] = (uint16_t)(i * 3);
        for (int k = 0; k < 3; k++) chars[i].chars[k] = (char)((i + (size_t)k) % 100);
        sixteens[i].halves[0] = i * 1000;
        sixteens[i].halves[1] = i * 1000000;
        lasts[i] = (uint32_t)i * 5;
    }
}

static uint64_t sum_at(size_t i) {
    uint64_t sum = bytes[i] + (uint64_t)reals[i] + numbers[i] + i * 1000 + i * 1000000 + lasts[i];
    for (size_t k = 0; k < 3; k++) sum += (i + k) % 100;
    return sum;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    pool_map_options_t with = POOL_MAP_INIT;
    const pool_array_t arrays[] = {
        {bytes, sizeof *bytes, COUNT_OF(bytes)},
        {reals, sizeof *reals, COUNT_OF(reals)},
        {numbers, sizeof *numbers, COUNT_OF(numbers)},
        {chars, sizeof *chars, N},
        {sixteens, sizeof *sixteens, COUNT_OF(sixteens)},
        {lasts, sizeof *lasts, COUNT_OF(lasts)},
    };
    size_t n = 0;
    fill_arrays();
    for (with.chunk_size = 0; with.chunk_size <= 2 * N; with.chunk_size += 1 + N / 3) {
        memset(results, 0xee, sizeof results);
        CHECK_OK(pool_map_zip(pool, add_up, arrays, COUNT_OF(arrays), &with, results, 8, statuses,
                              &n));
        CHECK_EQUAL(n, N);
        for (size_t i = 0; i < N; i++) {
            CHECK_EQUAL(results[i], sum_at(i));
            CHECK_IS(statuses[i], POOL_OK);
        }
    }

    /* One of them fails. */
    lasts[123] = UINT32_MAX;
    CHECK_IS(pool_map_zip(pool, add_up, arrays, COUNT_OF(arrays), NULL, results, 8, statuses, &n),
             POOL_ERR_TASK);
    CHECK_EQUAL(n, N);
    for (size_t i = 0; i < N; i++) {
        CHECK_IS(statuses[i], i == 123 ? POOL_ERR_TASK : POOL_OK);
        CHECK_EQUAL(results[i], i == 123 ? 0 : sum_at(i));
    }

    /* The end of a struct is filled up, too; one array alone is a map. */
    const pool_array_t pairs[] = {{numbers, 2, 10}, {bytes, 1, 20}}, alone[] = {{reals, 8, 7}};
    CHECK_OK(pool_map_zip(pool, multiply, pairs, 2, NULL, results, 8, NULL, NULL));
    for (size_t i = 0; i < 10; i++) CHECK_EQUAL(results[i], numbers[i] * bytes[i]);
    CHECK_OK(pool_map_zip(pool, square, alone, 1, NULL, results, 8, NULL, &n));
    CHECK_EQUAL(n, 7);

    /* An array that is not there. */
    const pool_array_t missing[] = {{numbers, 2, 10}, {NULL, 1, 20}};
    CHECK_IS(pool_map_zip(pool, multiply, missing, 2, NULL, results, 8, NULL, &n),
             POOL_ERR_INVALID);
    CHECK_EQUAL(n, 0);
    pool_free(pool);
    return leaves_nothing_behind();
}
