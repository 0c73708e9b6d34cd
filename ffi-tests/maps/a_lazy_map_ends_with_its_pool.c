/* A lazy map whose pool is closed, stopped or freed pulls no more: it returns the items that it has pulled,
 * and then POOL_ERR_CLOSED, again and again. It can be freed after its pool. */
#include "lazy_map.h"

enum { N = 1000, GATE = 0, WINDOW = 20, CANCELLED = 7, CLOSED = 8, FREED = 9 };

/* Items behind the tenth wait at the gate. */
static int32_t wait_behind_ten(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    if (n >= 10) {
        word_add(gate_started(GATE), 1);
        word_wait(gate_open(GATE), 1);
    }
    return square(task);
}

static void end(const pool_options_t *options, int how, size_t chunk_size) {
    struct source source = {.end = N};
    pool_map_options_t with = POOL_MAP_INIT;
    pool_t *pool = new_pool(options, 1);
    int is_inline = options->kind == POOL_INLINE;
    with.chunk_size = chunk_size;
    with.window = WINDOW;
    word_set(gate_started(GATE), 0);
    word_set(gate_open(GATE), is_inline);
    pool_map_t *map = start_map(pool, wait_behind_ten, &source, &with);
    for (uint64_t i = 0; i < 5; i++) CHECK_EQUAL(take_square(map, &source), i);
    if (!is_inline) word_wait(gate_started(GATE), 1);

    if (how == CLOSED) CHECK_OK(pool_close(pool));
    else if (how == CANCELLED) pool_shutdown(pool, POOL_STOP_CANCEL, 0);
    else if (how == POOL_STOP_DRAIN) pool_shutdown(pool, POOL_STOP_DRAIN, 0);
    else if (how == POOL_STOP_KILL) pool_shutdown(pool, POOL_STOP_KILL, 0);
    release(GATE);
    if (how == FREED) pool_free(pool);

    uint64_t n_answered = 5, n_cancelled = 0, pulled = source.pulled;
    CHECK(pulled < N);
    for (;; n_answered++) {
        const void *data;
        uint64_t index = UINT64_MAX, number;
        pool_status_t status = pool_map_next(map, POOL_FOREVER, &data, NULL, &index);
        if (status == POOL_ERR_CLOSED) break;
        CHECK_EQUAL(index, n_answered);
        if (status == POOL_OK) {
            memcpy(&number, data, sizeof number);
            CHECK_EQUAL(number, index * index);
        } else {
            if (how != POOL_STOP_KILL) CHECK_IS(status, POOL_ERR_CANCELLED);
            else CHECK(status == POOL_ERR_CANCELLED || status == POOL_ERR_TERMINATED);
            n_cancelled++;
        }
    }
    CHECK_EQUAL(source.pulled, pulled);
    CHECK_EQUAL(n_answered, pulled);
    if (how == CLOSED || how == POOL_STOP_DRAIN || is_inline) CHECK_EQUAL(n_cancelled, 0);
    if (how == CANCELLED && !is_inline) CHECK(n_cancelled > 0);
    for (int i = 0; i < 3; i++) check_next(map, POOL_FOREVER, POOL_ERR_CLOSED);
    check_next(map, 0, POOL_ERR_CLOSED);
    CHECK_EQUAL(source.pulled, pulled);
    if (how != FREED) pool_free(pool);
    check_next(map, POOL_FOREVER, POOL_ERR_CLOSED);
    CHECK_OK(pool_map_cancel(map));
    pool_map_free(map);
}

/* An item that was pulled while the queue was full is cancelled, and answered for, also if it was the last. */
static void has_an_item_that_did_not_fit(pool_options_t options, uint64_t n, size_t chunk_size) {
    struct source source = {.end = n};
    pool_map_options_t with = POOL_MAP_INIT;
    future_t *running, *queued;
    uint64_t index = UINT64_MAX;
    with.chunk_size = chunk_size;
    options.max_pending = 1;
    pool_t *pool = new_pool(&options, 1);
    reset_gate(GATE);
    occupy(pool, GATE, 1, &running);
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &queued));
    pool_map_t *map = start_map(pool, square, &source, &with);
    check_next(map, 0, POOL_ERR_TIMEOUT);
    CHECK_EQUAL(source.pulled, 1);
    CHECK_OK(pool_close(pool));
    CHECK_IS(pool_map_next(map, POOL_FOREVER, &(const void *){NULL}, NULL, &index), POOL_ERR_CANCELLED);
    CHECK_EQUAL(index, 0);
    check_next(map, POOL_FOREVER, n > 1 || chunk_size == 1 ? POOL_ERR_CLOSED : POOL_ERR_END);
    release(GATE);
    wait_and_free(&running, 1);
    wait_and_free(&queued, 1);
    pool_map_free(map);
    pool_free(pool);
}

/* What was pulled to the last is no reason to tell that the pool is closed. */
static void is_at_its_end(const pool_options_t *options) {
    struct source source = {.end = 5};
    pool_t *pool = new_pool(options, 2);
    pool_map_t *map = start_map(pool, square, &source, NULL);
    for (uint64_t i = 0; i < 5; i++) CHECK_EQUAL(take_square(map, &source), i);
    check_next(map, POOL_FOREVER, POOL_ERR_END);
    pool_free(pool);
    check_next(map, POOL_FOREVER, POOL_ERR_END);
    pool_map_free(map);
}

int main(int argc, char **argv) {
    static const int HOW[] = {POOL_STOP_DRAIN, POOL_STOP_KILL, CANCELLED, CLOSED, FREED};
    pool_options_t options = test_begin(argc, argv);
    for (size_t i = 0; i < COUNT_OF(HOW); i++) {
        end(&options, HOW[i], 1);
        end(&options, HOW[i], 3);
    }
    is_at_its_end(&options);
    if (options.kind != POOL_INLINE) {
        has_an_item_that_did_not_fit(options, 1, 3);
        has_an_item_that_did_not_fit(options, 9, 1);
    }
    return leaves_nothing_behind();
}
