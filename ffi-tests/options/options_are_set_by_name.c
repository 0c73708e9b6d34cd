/* Languages without structs make options of bytes, and set them by name; what is wrong is said in words. */
#include "rendezvous.h"

static void says(pool_status_t status, pool_error_t error, const char *words) {
    CHECK_EQUAL(error.status, status);
    if (!strstr(error.message, words)) fprintf(stderr, "%s\n", error.message);
    CHECK(strstr(error.message, words) != NULL);
}

static void a_pool_is_made_of_bytes(const pool_options_t *given) {
    static const char *const kinds[] = {"POOL_PROCESS", "POOL_THREAD", "POOL_INLINE"};
    static const char *const starts[] = {"POOL_SPAWN", "POOL_FORKSERVER", "POOL_FORK"};
    uint64_t memory[1024 / 8];
    pool_options_t *options = (pool_options_t *)(void *)memory;
    memset(memory, 0xff, sizeof memory);
    CHECK_OK(pool_options_init(options, sizeof memory));
    CHECK_OK(pool_options_set(options, "name", "by name", NULL));
    CHECK_OK(pool_options_set(options, "kind", kinds[given->kind], NULL));
    CHECK_OK(pool_options_set(options, "start", starts[given->start], NULL));
    CHECK_OK(pool_options_set(options, "max_workers", "3", NULL));
    CHECK_OK(pool_options_set(options, "idle_timeout_ms", "POOL_FOREVER", NULL));
    if (given->kind == POOL_PROCESS) {
        CHECK_OK(pool_options_set(options, "hard_limit_ms", "60000", NULL));
        CHECK_OK(pool_options_set(options, "no_new_privs", "true", NULL));
        CHECK_OK(pool_options_set(options, "sandbox", "POOL_SANDBOX_COMPUTE", NULL));
        CHECK_OK(pool_options_set(options, "isolation", "POOL_ISOLATED", NULL));
    }
    pool_t *pool;
    pool_options_t made = POOL_OPTIONS_INIT;
    CHECK_OK(pool_new(options, &pool, NULL));
    CHECK_OK(pool_get_options(pool, &made));
    CHECK(strcmp(made.name, "by name") == 0);
    CHECK_EQUAL(made.kind, given->kind);
    CHECK_EQUAL(made.start, given->start);
    CHECK_EQUAL(made.max_workers, given->kind == POOL_INLINE ? made.max_workers : 3);
    CHECK_EQUAL(made.idle_timeout_ms, POOL_FOREVER);
    CHECK_EQUAL(made.sandbox, given->kind == POOL_PROCESS ? POOL_SANDBOX_COMPUTE : POOL_SANDBOX_NONE);
    CHECK_EQUAL(made.isolation, given->kind == POOL_PROCESS ? POOL_ISOLATED : POOL_SHARED);
    CHECK_EQUAL(made.hard_limit_ms, given->kind == POOL_PROCESS ? 60000 : POOL_FOREVER);
    uint64_t n = 9;
    CHECK_OK(pool_run(pool, square, &n, sizeof n, POOL_FOREVER, &n, sizeof n, NULL));
    CHECK_EQUAL(n, 81);
    pool_free(pool);
}

static void what_is_wrong_is_said(void) {
    pool_options_t options = POOL_OPTIONS_INIT;
    pool_error_t error;
    static const char *const bad[][3] = {
        {"hard_limit", "1", "\"hard_limit\" is no option"},
        {"on_event", "1", "\"on_event\" is no option"},
        {"max_workers", "many", "max_workers: \"many\" is not a number in range"},
        {"max_workers", "-1", "max_workers: \"-1\" is not a number in range"},
        {"max_workers", "4294967296", "is not a number in range"},
        {"no_new_privs", "yes", "no_new_privs: \"yes\" is not true or false"},
        {"struct_size", "8", "\"struct_size\" is no option"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        pool_status_t status = pool_options_set(&options, bad[i][0], bad[i][1], &error);
        CHECK_EQUAL(status, POOL_ERR_INVALID);
        says(POOL_ERR_INVALID, error, bad[i][2]);
    }
    CHECK_IS(pool_options_set(NULL, "kind", "1", NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_options_set(&options, NULL, "1", NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_options_set(&options, "kind", NULL, NULL), POOL_ERR_INVALID);
    options.struct_size = 8;
    CHECK_IS(pool_options_set(&options, "kind", "1", &error), POOL_ERR_VERSION);
    uint64_t memory[2];
    CHECK_IS(pool_options_init(NULL, sizeof options), POOL_ERR_INVALID);
    CHECK_IS(pool_options_init((void *)memory, 0), POOL_ERR_INVALID);
    CHECK_IS(pool_options_init((void *)memory, 9), POOL_ERR_INVALID);
    CHECK_IS(pool_options_init((void *)memory, 8192), POOL_ERR_INVALID);
}

static void calls_and_maps_are_set_likewise(void) {
    pool_call_t call;
    pool_map_options_t map;
    pool_stats_t stats;
    CHECK_OK(pool_call_init(&call, sizeof call));
    CHECK_OK(pool_call_set(&call, "priority", "POOL_PRIORITY_MIN", NULL));
    CHECK_OK(pool_call_set(&call, "tag", "18446744073709551615", NULL));
    CHECK_OK(pool_call_set(&call, "symbol", "square", NULL));
    CHECK_IS(pool_call_set(&call, "args", "bytes", NULL), POOL_ERR_INVALID);
    CHECK_EQUAL(call.priority, POOL_PRIORITY_MIN);
    CHECK(call.tag == UINT64_MAX);
    CHECK(strcmp(call.task.symbol, "square") == 0 && call.task.module == NULL);
    CHECK_OK(pool_map_options_init(&map, sizeof map));
    CHECK_OK(pool_map_options_set(&map, "on_error", "POOL_ON_ERROR_STOP", NULL));
    CHECK_OK(pool_map_options_set(&map, "unordered", "1", NULL));
    CHECK_EQUAL(map.on_error, POOL_ON_ERROR_STOP);
    CHECK(map.unordered);
    CHECK_OK(pool_stats_init(&stats, sizeof stats));
    CHECK_EQUAL(stats.struct_size, sizeof stats);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    a_pool_is_made_of_bytes(&options);
    what_is_wrong_is_said();
    calls_and_maps_are_set_likewise();
    return leaves_nothing_behind();
}
