/* Every worker can run functions of a library: exported or static, by pointer or by name, from a library
 * that the program is linked with or that was opened later. */
#include "rendezvous.h"

#include "libraries/functions.h"
#include <dlfcn.h>

static uint64_t run(pool_t *pool, pool_task_fn function, uint64_t n) {
    CHECK_OK(pool_run(pool, function, &n, sizeof n, POOL_FOREVER, &n, sizeof n, NULL));
    return n;
}

static uint64_t run_symbol(pool_t *pool, const char *module, const char *symbol, uint64_t n) {
    future_t *future;
    CHECK_OK(pool_submit_symbol(pool, module, symbol, &n, sizeof n, &future));
    n = collect_number(future);
    future_free(future);
    return n;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    char *functions = library_path("functions"), *plugin = library_path("plugin");

    CHECK_EQUAL(run(pool, triple, 5), 15);
    CHECK_EQUAL(run(pool, quadruple(), 5), 20);
    CHECK_EQUAL(run_symbol(pool, functions, "triple", 6), 18);

    /* By name it need not be open here. */
    CHECK_EQUAL(run_symbol(pool, plugin, "plus_ten", 1), 11);

    /* Opened after the pool was made, and after its workers have started. */
    void *opened = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    CHECK(opened != NULL);
    pool_task_fn (*plus_twenty)(void);
    pool_task_fn plus_ten;
    *(void **)&plus_ten = dlsym(opened, "plus_ten");
    *(void **)&plus_twenty = dlsym(opened, "plus_twenty");
    CHECK(plus_ten && plus_twenty);
    CHECK_EQUAL(run(pool, plus_ten, 5), 15);
    CHECK_EQUAL(run(pool, plus_twenty(), 5), 25);

    /* The struct of pool_submit_call takes either way. */
    uint64_t seven = 7;
    future_t *future;
    pool_call_t call = POOL_CALL_INIT;
    call.task.module = plugin;
    call.task.symbol = "plus_ten";
    call.task.args = &seven;
    call.task.len = sizeof seven;
    CHECK_OK(pool_submit_call(pool, &call, &future));
    CHECK_EQUAL(collect_number(future), 17);
    future_free(future);
    pool_free(pool);
    free(functions);
    free(plugin);
    return leaves_nothing_behind();
}
