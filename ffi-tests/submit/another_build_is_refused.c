/* When a library was replaced on disk after the program loaded it, workers would run another build of its
 * functions: these tasks fail with a message, and the workers go on. */
#include "install.h"

static void is_refused(pool_t *pool, pool_task_fn function) {
    pool_error_t error;
    future_t *future;
    const void *data;
    CHECK_OK(pool_submit(pool, function, NULL, 0, &future));
    CHECK_IS(future_collect(future, POOL_FOREVER, &data, NULL), POOL_ERR_FUNCTION);
    CHECK_OK(future_error(future, &error));
    CHECK(strstr(error.message, "libchanging") != NULL);
    CHECK(strstr(error.message, "build") != NULL);
    future_free(future);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    /* A copy of the caller has the build that the caller has. */
    if (options.kind != POOL_PROCESS || options.start == POOL_FORK) return SKIPPED;
    char *path;
    CHECK(asprintf(&path, "%s/libchanging.so", getenv("TEST_TMP")) > 0);
    install_library("changing_1", path);
    void *module = dlopen(path, RTLD_NOW);
    CHECK(module != NULL);
    pool_task_fn exported, (*hidden)(void);
    *(void **)&exported = dlsym(module, "tell_build");
    *(void **)&hidden = dlsym(module, "hidden_tell_build");

    /* A worker that started before has the same build as this program, also later. */
    int32_t build;
    pool_t *early = new_pool(&options, 1), *late = new_pool(&options, 1);
    CHECK_OK(pool_run(early, exported, NULL, 0, POOL_FOREVER, &build, sizeof build, NULL));
    CHECK_EQUAL(build, 1);
    install_library("changing_2", path);
    CHECK_OK(pool_run(early, exported, NULL, 0, POOL_FOREVER, &build, sizeof build, NULL));
    CHECK_EQUAL(build, 1);

    /* One that starts now finds the other. */
    is_refused(late, exported);
    int64_t worker = pid_of_any_worker(late);
    is_refused(late, hidden());
    is_refused(late, exported);
    CHECK_EQUAL(pid_of_any_worker(late), worker);
    pool_free(early);
    pool_free(late);
    free(path);
    return leaves_nothing_behind();
}
