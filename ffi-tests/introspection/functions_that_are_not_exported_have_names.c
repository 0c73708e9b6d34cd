/* Lost tasks and pool_workers name functions that are not exported, unless the module is stripped: then they
 * say the offset in it. */
#include "processes.h"
#include <dlfcn.h>

#ifdef STRIPPED
enum { IS_STRIPPED = 1 };
#else
enum { IS_STRIPPED = 0 };
#endif

typedef int32_t task_function(pool_task_t *task);

static int32_t fall_over_unexported(pool_task_t *task) {
    (void)task;
    abort();
}

static int32_t wait_unexported(pool_task_t *task) {
    return wait_at_gate(task);
}

static void check_name(const char *text, const char *name, const char *module, int is_stripped) {
    char wanted[256];
    snprintf(wanted, sizeof wanted, "%s in %s", name, module);
    if (is_stripped) {
        CHECK(strstr(text, "offset 0x") != NULL);
        CHECK(strstr(text, "unexported in") == NULL);
        CHECK(strstr(text, module) != NULL);
    } else if (strstr(text, wanted) == NULL) {
        fprintf(stderr, "%s\nis not about %s\n", text, wanted);
        fail_at_once();
    }
}

static void check_module(const pool_options_t *options, task_function *waits, task_function *dies,
                         const char *module, int is_stripped) {
    pool_t *pool = new_pool(options, 1);
    reset_gate(0);
    uint32_t gate = 0;
    future_t *future;
    CHECK_OK(pool_submit(pool, waits, &gate, sizeof gate, &future));
    word_wait(gate_started(gate), 1);
    pool_worker_info_t worker = {.struct_size = sizeof worker};
    CHECK_OK(pool_workers(pool, &worker, 1, NULL));
    check_name(worker.function, "wait_unexported", module, is_stripped);
    size_t len;
    char text[1 << 14];
    CHECK_OK(pool_info_json(pool, text, sizeof text, &len));
    check_name(text, "wait_unexported", module, is_stripped);
    release(gate);
    CHECK_OK(future_wait(future, POOL_FOREVER));
    future_free(future);
    if (options->kind == POOL_PROCESS) {
        CHECK_OK(pool_submit(pool, dies, NULL, 0, &future));
        CHECK_OK(future_wait(future, POOL_FOREVER));
        pool_error_t error = check_lost(future);
        check_name(error.message, "fall_over_unexported", module, is_stripped);
        future_free(future);
    }
    pool_free(pool);
}

static void check_library(const pool_options_t *options, const char *name, int is_stripped) {
    char *path = library_path(name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    task_function *(*give)(int);
    *(void **)&give = dlsym(library, "unexported_task");
    CHECK(give != NULL);
    check_module(options, give(0), give(1), strrchr(path, '/') + 1, is_stripped);
    free(path);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    check_module(&options, wait_unexported, fall_over_unexported, "the main program", IS_STRIPPED);
    check_library(&options, "unexported", 0);
    check_library(&options, "unexported_stripped", 1);
    return leaves_nothing_behind();
}
