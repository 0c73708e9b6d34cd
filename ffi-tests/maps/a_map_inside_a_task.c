/* A task may map with its own pool, and an item of that may map again: also where there is only one
 * worker, which then runs all of it itself. */
#include "rendezvous.h"

enum { N = 10, DEEP = 3 };

struct node {
    pool_t *pool;
    uint64_t depth, value;
};

struct source {
    struct node node;
    uint64_t left;
};

static int32_t sum_below(pool_task_t *task);

static pool_status_t next_node(void *user, const void **item, size_t *len) {
    struct source *source = (struct source *)user;
    if (source->left-- == 0) return POOL_ERR_END;
    source->node.value++;
    *item = &source->node;
    *len = sizeof source->node;
    return POOL_OK;
}

/* Adds up what N nodes below this one give. */
static uint64_t sum_at_once(const struct node *node) {
    struct node below[N];
    uint64_t results[N], sum = 0;
    for (uint64_t i = 0; i < N; i++) {
        below[i] = (struct node){node->pool, node->depth - 1, node->value + i + 1};
    }
    CHECK_OK(pool_map(node->pool, sum_below, below, sizeof *below, N, NULL, results, 8, NULL));
    for (int i = 0; i < N; i++) sum += results[i];
    return sum;
}

static uint64_t sum_lazily(const struct node *node, int is_unordered) {
    struct source source = {{node->pool, node->depth - 1, node->value}, N};
    pool_map_options_t options = POOL_MAP_INIT;
    pool_map_t *map;
    const void *data;
    uint64_t number, sum = 0;
    options.unordered = is_unordered;
    CHECK_OK(pool_map_start(node->pool, sum_below, next_node, &source, &options, &map));
    for (int i = 0; i < N; i++) {
        CHECK_OK(pool_map_next(map, POOL_FOREVER, &data, NULL, NULL));
        memcpy(&number, data, sizeof number);
        sum += number;
    }
    CHECK_IS(pool_map_next(map, POOL_FOREVER, &data, NULL, NULL), POOL_ERR_END);
    pool_map_free(map);
    return sum;
}

static uint64_t sum_of_tasks(const struct node *node) {
    future_t *futures[N], *taken;
    future_set_t *set;
    uint64_t sum = 0;
    CHECK_OK(future_set_new(&set));
    for (uint64_t i = 0; i < N; i++) {
        struct node below = {node->pool, node->depth - 1, node->value + i + 1};
        CHECK_OK(pool_submit(node->pool, sum_below, &below, sizeof below, &futures[i]));
        CHECK_OK(future_set_add(set, futures[i]));
    }
    for (int i = 0; i < N; i++) {
        CHECK_OK(future_set_next(set, POOL_FOREVER, &taken));
        sum += collect_number(taken);
    }
    wait_and_free(futures, N);
    future_set_free(set);
    return sum;
}

static int32_t sum_below(pool_task_t *task) {
    struct node node;
    uint64_t sum;
    memcpy(&node, pool_task_args(task, NULL), sizeof node);
    if (node.depth == 0) sum = node.value;
    else if (node.value % 4 == 0) sum = sum_at_once(&node);
    else if (node.value % 4 == 1) sum = sum_lazily(&node, 0);
    else if (node.value % 4 == 2) sum = sum_lazily(&node, 1);
    else sum = sum_of_tasks(&node);
    return pool_task_return(task, &sum, sizeof sum);
}

static uint64_t expected(uint64_t depth, uint64_t value) {
    uint64_t sum = depth == 0 ? value : 0;
    for (uint64_t i = 1; depth > 0 && i <= N; i++) sum += expected(depth - 1, value + i);
    return sum;
}

/* A task in a worker process has a pool of its own for that. */
static int32_t with_own_pool(pool_task_t *task) {
    struct node node;
    pool_options_t options = POOL_OPTIONS_INIT;
    uint64_t sum;
    memcpy(&node, pool_task_args(task, NULL), sizeof node);
    options.kind = POOL_THREAD;
    node.pool = new_pool(&options, 1);
    sum = sum_at_once(&node);
    pool_free(node.pool);
    return pool_task_return(task, &sum, sizeof sum);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    int is_process = options.kind == POOL_PROCESS;
    for (uint32_t workers = 1; workers <= 3; workers++) {
        pool_t *pool = new_pool(&options, workers);
        for (uint64_t value = 0; value < 4; value++) {
            struct node node = {pool, DEEP, value};
            uint64_t sum;
            CHECK_OK(pool_run(pool, is_process ? with_own_pool : sum_below, &node, sizeof node,
                              POOL_FOREVER, &sum, sizeof sum, NULL));
            CHECK_EQUAL(sum, expected(DEEP, value));
        }
        pool_free(pool);
    }
    return leaves_nothing_behind();
}
