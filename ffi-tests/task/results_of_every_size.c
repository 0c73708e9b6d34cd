/* A result may have any length, and is the same whether it was copied or written in place. */
#include "sizes.h"

struct wanted {
    uint64_t len;
    uint64_t in_place;
};

static int32_t make_result(pool_task_t *task) {
    struct wanted wanted;
    memcpy(&wanted, pool_task_args(task, NULL), sizeof wanted);
    if (wanted.in_place) {
        /* Only the last room that was asked for counts. */
        CHECK(pool_task_result(task, 12345) != NULL);
        void *room = pool_task_result(task, wanted.len);
        CHECK(room != NULL);
        CHECK(is_aligned(room, wanted.len));
        fill(room, wanted.len);
        return 0;
    }
    void *bytes = malloc(wanted.len + 1);
    CHECK(bytes != NULL);
    fill(bytes, wanted.len);
    int32_t code = pool_task_return(task, bytes, wanted.len);
    free(bytes);
    return code;
}

static int32_t ask_for_too_much(pool_task_t *task) {
    return pool_task_result(task, SIZE_MAX / 2) ? 1 : pool_task_return(task, "none", 4);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    const void *data;
    size_t len;
    for (size_t i = 0; i < 2 * COUNT_OF(SIZES); i++) {
        struct wanted wanted = {SIZES[i / 2], i % 2};
        future_t *future;
        CHECK_OK(pool_submit(pool, make_result, &wanted, sizeof wanted, &future));
        CHECK_OK(future_collect(future, POOL_FOREVER, &data, &len));
        CHECK_EQUAL(len, wanted.len);
        CHECK(data != NULL);
        CHECK(is_filled(data, len));
        future_free(future);
    }
    char answer[4];
    CHECK_OK(pool_run(pool, ask_for_too_much, NULL, 0, POOL_FOREVER, answer, 4, NULL));
    CHECK(memcmp(answer, "none", 4) == 0);
    pool_free(pool);
    return leaves_nothing_behind();
}
