/* What the loader has found by a relative path is where it was then, also when the program has changed its
 * directory since: the library, beside which the helper program is, and the modules of functions. */
#include "install.h"
#include "rerun.h"

static char *prefix;

static void execute_beside_library(char *const arguments[]) {
    CHECK(chdir(prefix) == 0);
    CHECK(setenv("LD_LIBRARY_PATH", "lib", 1) == 0);
    execute_again(arguments);
}

static void check_is_helper(pid_t worker) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/%d/exe", (int)worker);
    ssize_t length = readlink(link, path, sizeof path - 1);
    CHECK(length > 0);
    path[length] = 0;
    CHECK(strstr(path, "carpool-worker") != NULL);
}

static void run_tasks(const pool_options_t *options) {
    int32_t build = 0;
    pool_worker_info_t info = {.struct_size = sizeof info};
    CHECK(chdir(getenv("TEST_TMP")) == 0);
    install_library("changing_1", "libmodule.so");
    void *module = dlopen("./libmodule.so", RTLD_NOW);
    CHECK(module != NULL);
    pool_task_fn tell_build;
    *(void **)&tell_build = dlsym(module, "tell_build");
    CHECK(chdir("/") == 0);

    pool_t *pool = new_pool(options, 1);
    CHECK_OK(pool_run(pool, tell_build, NULL, 0, POOL_FOREVER, &build, sizeof build, NULL));
    CHECK_EQUAL(build, 1);
    CHECK_OK(pool_workers(pool, &info, 1, NULL));
    if (options->kind == POOL_PROCESS && options->start != POOL_FORK) check_is_helper((pid_t)info.pid);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (argc > 2) {
        run_tasks(&options);
        return leaves_nothing_behind();
    }
    prefix = prefix_of_library();
    rerun_by(execute_beside_library, argv, "relative", 0);
    free(prefix);
    return leaves_nothing_behind();
}
