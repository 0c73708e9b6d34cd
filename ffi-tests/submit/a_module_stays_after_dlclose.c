/* A submitted function keeps its library loaded: its address never refers to another function later. */
#include "rendezvous.h"
#include <dlfcn.h>

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    char *path = library_path("plugin");
    pool_task_fn plus_ten;
    future_t *blocker, *future;
    uint64_t n = 1;

    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(module != NULL);
    *(void **)&plus_ten = dlsym(module, "plus_ten");
    CHECK(plus_ten != NULL);

    /* Closed while its task waits. */
    occupy(pool, 0, 1, &blocker);
    CHECK_OK(pool_submit(pool, plus_ten, &n, sizeof n, &future));
    CHECK(dlclose(module) == 0);
    release(0);
    CHECK_EQUAL(collect_number(future), 11);
    future_free(future);
    future_free(blocker);

    /* And submitted again after that. */
    CHECK(dlopen(path, RTLD_NOW | RTLD_NOLOAD) != NULL);
    CHECK_OK(pool_submit(pool, plus_ten, &n, sizeof n, &future));
    CHECK_EQUAL(collect_number(future), 11);
    future_free(future);
    pool_free(pool);
    free(path);
    return leaves_nothing_behind();
}
