/* A task may build a large result in place and then return a part of it: the bytes are copied before the earlier
 * result is discarded, wherever that was, in the slot, in the pool's memory or in memory of its own. */
#include "check.h"

struct order {
    uint64_t size, part;
};

static unsigned char pattern(uint64_t i) {
    return (unsigned char)(i * 7 + 3);
}

static int32_t return_a_part(pool_task_t *task) {
    struct order order = *(const struct order *)pool_task_args(task, NULL);
    unsigned char *result = (unsigned char *)pool_task_result(task, order.size);
    if (!result) return 1;
    for (uint64_t i = 0; i < order.size; i++) result[i] = pattern(i);
    return pool_task_return(task, result + (order.size - order.part) / 2, order.part);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    const uint64_t sizes[] = {16, 64, 4096, 65536, 1 << 20, 8 << 20, 100 << 20};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        for (uint64_t part = 8; part <= sizes[i]; part *= 8) {
            struct order order = {sizes[i], part};
            future_t *future;
            const void *data;
            size_t length;
            CHECK_OK(pool_submit(pool, return_a_part, &order, sizeof order, &future));
            CHECK_OK(future_collect(future, POOL_FOREVER, &data, &length));
            CHECK_EQUAL(length, part);
            for (uint64_t j = 0; j < part; j++) {
                CHECK_EQUAL(((const unsigned char *)data)[j], pattern((order.size - part) / 2 + j));
            }
            future_free(future);
        }
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
