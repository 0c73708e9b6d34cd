/* The constructor of a library that is opened, or linked, may run a task in a pool and wait for it. In worker
 * processes that open the library it runs too, and can make no pool of processes: they would not end. */
#include "check.h"
#include <dlfcn.h>

static void check_in_worker(const pool_options_t *options, const char *path, int at_start) {
    const char *modules[] = {path, NULL};
    pool_options_t own = *options;
    if (at_start && own.kind == POOL_PROCESS) own.modules = modules;
    pool_t *pool = new_pool(&own, 1);
    pool_status_t status;
    future_t *future;
    const void *data;
    size_t len;
    CHECK_OK(pool_submit_symbol(pool, path, "tell_constructor_status", NULL, 0, &future));
    CHECK_OK(future_collect(future, POOL_FOREVER, &data, &len));
    CHECK_EQUAL(len, sizeof status);
    memcpy(&status, data, sizeof status);
    int is_again = own.kind == POOL_PROCESS && own.start != POOL_FORK;
    CHECK_IS(status, is_again ? POOL_ERR_STATE : POOL_OK);
    future_free(future);
    pool_free(pool);
}

int main(int argc, char **argv) {
    char *path = library_path("constructor");
#ifdef LINKED
    pool_options_t options = test_begin(argc, argv);
#else
    /* Before any other thread exists: POOL_FORK. */
    setenv("CONSTRUCTOR", argc > 1 ? argv[1] : "thread", 1);
    void *first = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(first != NULL);
    pool_options_t options = test_begin(argc, argv);
#endif
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    const pool_status_t *status = dlsym(library, "constructor_status");
    const char *message = dlsym(library, "constructor_message");
    CHECK(status && message);
    if (*status != POOL_OK) fprintf(stderr, "%s\n", message);
    CHECK_OK(*status);
    check_in_worker(&options, path, 0);
    check_in_worker(&options, path, 1);
    free(path);
    return leaves_nothing_behind();
}
