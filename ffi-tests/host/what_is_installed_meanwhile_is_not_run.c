/* A pool runs one build of everything, whatever is installed in its place while it lives: the helper program is
 * executed as it was opened, and another build of the library or of a module is refused with words. */
#include "install.h"
#include "rerun.h"

static char *prefix;

/* An installation of its own, for this program to load. */
static void execute_with_own_prefix(char *const arguments[]) {
    const char *const files[] = {"lib/libcarpool.so.0", "libexec/carpool/carpool-worker"};
    const char *const folders[] = {"lib", "libexec", "libexec/carpool"};
    char path[4096], own[4096];
    CHECK(chdir(getenv("TEST_TMP")) == 0);
    for (size_t i = 0; i < COUNT_OF(folders); i++) CHECK(mkdir(folders[i], 0700) == 0);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof path, "%s/%s", prefix, files[i]);
        install_file(path, files[i]);
    }
    snprintf(own, sizeof own, "%s/lib", getenv("TEST_TMP"));
    CHECK(setenv("LD_LIBRARY_PATH", own, 1) == 0);
    execute_again(arguments);
}

static pool_task_fn load_changing(void **module) {
    pool_task_fn tell_build;
    install_library("changing_1", "libmodule.so");
    *module = dlopen("./libmodule.so", RTLD_NOW);
    CHECK(*module != NULL);
    *(void **)&tell_build = dlsym(*module, "tell_build");
    return tell_build;
}

/* One pool has workers by then, the other none. */
static void replace_the_helper(const pool_options_t *options) {
    int32_t build = 0;
    void *module;
    pool_task_fn tell_build = load_changing(&module);
    pool_t *early = new_pool(options, 1), *late = new_pool(options, 1);
    CHECK_OK(pool_run(early, tell_build, NULL, 0, POOL_FOREVER, &build, sizeof build, NULL));
    install_bytes("no program", 10, "libexec/carpool/carpool-worker");
    CHECK_OK(pool_restart(early, POOL_RESTART_GRACEFUL));
    CHECK_OK(pool_run(early, tell_build, NULL, 0, POOL_FOREVER, &build, sizeof build, NULL));
    CHECK_OK(pool_run(late, tell_build, NULL, 0, POOL_FOREVER, &build, sizeof build, NULL));
    CHECK_EQUAL(build, 1);
    pool_free(early);
    pool_free(late);
}

/* The same for a program that the options name, from the directory that they name. */
static void replace_the_executable(pool_options_t options) {
    char *folder = getenv("TEST_TMP");
    CHECK(chdir(folder) == 0);
    for (int i = 0; i < 2; i++) {
        options.cwd = i == 0 ? NULL : folder;
        options.worker_executable = i == 0 ? "program" : "./program";
        install_file("/proc/self/exe", "program");
        pool_t *pool = new_pool(&options, 2);
        install_bytes("no program", 10, "program");
        if (i == 1) CHECK(chdir("/") == 0);
        CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
        CHECK_OK(pool_restart(pool, POOL_RESTART_GRACEFUL));
        CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
        pool_free(pool);
    }
}

/* The pool is broken at once, and says why. */
static void await_refusal(pool_t *pool, pool_task_fn function, const char *file) {
    pool_error_t error;
    future_t *future;
    CHECK_OK(pool_submit(pool, function, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, POOL_ERR_BROKEN);
    future_free(future);
    CHECK_IS(pool_check(pool, &error), POOL_ERR_BROKEN);
    if (strstr(error.message, file) == NULL || strstr(error.message, "another build") == NULL) {
        fprintf(stderr, "%s\n", error.message);
        fail_at_once();
    }
}

/* Another build is one with another build id. */
static void install_other_build(const char *path) {
    static const char note[] = {4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0};
    size_t len;
    char *bytes = read_file(path, &len), *found = (char *)memmem(bytes, len, note, sizeof note);
    CHECK(found != NULL);
    found[sizeof note] ^= 1;
    install_bytes(bytes, len, path);
    free(bytes);
}

static void replace_the_library(const pool_options_t *options) {
    void *module;
    pool_task_fn tell_build = load_changing(&module);
    pool_t *pool = new_pool(options, 1);
    install_other_build("lib/libcarpool.so.0");
    await_refusal(pool, tell_build, "libcarpool.so.0");
    pool_free(pool);
}

/* A module of the options, which this program has loaded, or has not. */
static void replace_a_module(pool_options_t options, bool is_loaded) {
    char *path;
    void *module = NULL;
    CHECK(asprintf(&path, "%s/libother.so", getenv("TEST_TMP")) > 0);
    const char *const modules[] = {path, NULL};
    install_library("changing_1", path);
    if (is_loaded) CHECK((module = dlopen(path, RTLD_NOW)) != NULL);
    options.modules = modules;
    pool_t *same = new_pool(&options, 1), *pool = new_pool(&options, 1);
    CHECK_OK(pool_run(same, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    install_library("changing_2", path);
    await_refusal(pool, warm_up, "libother.so");
    pool_free(same);
    pool_free(pool);
    if (module) dlclose(module);
    free(path);
}

/* The module of a function that is submitted by its name: tasks in workers with another build fail. */
static void replace_a_named_module(const pool_options_t *options) {
    char *path;
    int32_t build = 0;
    pool_error_t error;
    future_t *future;
    CHECK(asprintf(&path, "%s/libother.so", getenv("TEST_TMP")) > 0);
    install_library("changing_1", path);
    pool_t *pool = new_pool(options, 1);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(pool_submit_symbol(pool, path, "tell_build", NULL, 0, &future));
        CHECK_OK(future_wait(future, POOL_FOREVER));
        CHECK_OK(future_error(future, &error));
        if (i == 0) {
            const void *data;
            CHECK_OK(future_result(future, &data, NULL));
            memcpy(&build, data, sizeof build);
            CHECK_EQUAL(build, 1);
            install_library("changing_2", path);
            int64_t old = pid_of_any_worker(pool);
            CHECK_OK(pool_restart(pool, POOL_RESTART_GRACEFUL));
            while (pid_of_any_worker(pool) == old) pause_briefly();
        } else {
            CHECK_IS(error.status, POOL_ERR_FUNCTION);
            CHECK(strstr(error.message, "another build") != NULL);
        }
        future_free(future);
    }
    pool_free(pool);
    free(path);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    /* A copy of the caller has what the caller has. */
    if (options.kind != POOL_PROCESS || options.start == POOL_FORK) return SKIPPED;
    if (argc > 2) {
        if (strcmp(argv[2], "helper") == 0) replace_the_helper(&options);
        if (strcmp(argv[2], "library") == 0) replace_the_library(&options);
        if (strcmp(argv[2], "named") == 0) replace_the_executable(options);
        if (strcmp(argv[2], "symbol") == 0) replace_a_named_module(&options);
        if (strcmp(argv[2], "module") == 0) replace_a_module(options, false);
        if (strcmp(argv[2], "loaded") == 0) replace_a_module(options, true);
        return leaves_nothing_behind();
    }
    prefix = prefix_of_library();
    rerun_by(execute_with_own_prefix, argv, "helper", 0);
    rerun_by(execute_with_own_prefix, argv, "library", 0);
    rerun(argv, "named", 0);
    rerun(argv, "symbol", 0);
    rerun(argv, "module", 0);
    rerun(argv, "loaded", 0);
    free(prefix);
    return leaves_nothing_behind();
}
