/* pool_get_options tells what holds: what was given, and values in place of defaults, in every
 * state of the pool. Its pointers are the pool's own. */
#include "lifecycle.h"

static void check(pool_t *pool, const pool_options_t *given) {
    pool_options_t now = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &now));
    CHECK(strcmp(now.name, "orchestra") == 0);
    CHECK_EQUAL(now.kind, given->kind);
    CHECK_EQUAL(now.max_workers, 3);
    CHECK_EQUAL(now.idle_timeout_ms, 60000);
    CHECK_EQUAL(now.max_tasks_per_worker, 1000);
    CHECK(now.initializer.pointer == count_initializer);
    CHECK_EQUAL(now.initializer.len, 5);
    CHECK(now.initializer.args != given->initializer.args);
    CHECK(memcmp(now.initializer.args, "begin", 5) == 0);
    CHECK(now.finalizer.pointer == NULL && strcmp(now.finalizer.symbol, "say_bye") == 0);
    CHECK(strcmp(now.finalizer.module, "libbye.so") == 0);
    CHECK_EQUAL(now.at_exit, POOL_EXIT_DRAIN);
    CHECK(now.max_restarts > 0 && now.restart_window_ms > 0);
    if (given->kind != POOL_PROCESS) return;
    CHECK(strcmp(now.env[0], "A=1") == 0 && strcmp(now.env[1], "B=2") == 0 && !now.env[2]);
    CHECK(strcmp(now.cwd, "/") == 0);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    char name[] = "orchestra";
    const char *const env[] = {"A=1", "B=2", NULL};
    options.name = name;
    options.max_tasks_per_worker = 1000;
    pool_function_t begin = {count_initializer, NULL, NULL, "begin", 5};
    pool_function_t end = {NULL, "libbye.so", "say_bye", NULL, 0};
    options.initializer = begin;
    options.finalizer = end;
    options.at_exit = POOL_EXIT_DRAIN;
    if (options.kind == POOL_PROCESS) {
        options.env = env;
        options.cwd = "/";
    }
    pool_t *pool = new_pool(&options, 3);
    memset(name, 'x', sizeof name - 1);
    check(pool, &options);
    CHECK_OK(pool_close(pool));
    check(pool, &options);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    check(pool, &options);
    pool_options_t small = {.struct_size = 16};
    CHECK_IS(pool_get_options(pool, &small), POOL_ERR_VERSION);
    pool_free(pool);
    CHECK_IS(pool_get_options(pool, &options), POOL_ERR_INVALID);
    return leaves_nothing_behind();
}
