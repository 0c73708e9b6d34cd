/* The message of a lost task names its function, if that has an exported name. */
#include "processes.h"

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    pool_t *pool = new_pool(&options, 1);
    char *path = library_path("deadly");
    future_t *future;
    CHECK_OK(pool_submit_symbol(pool, path, "fall_over", NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    pool_error_t error = check_lost(future);
    printf("%s\n", error.message);
    CHECK(strstr(error.message, "fall_over") != NULL);
    CHECK_EQUAL(error.signal, SIGABRT);
    future_free(future);
    pool_free(pool);
    free(path);
    return leaves_nothing_behind();
}
