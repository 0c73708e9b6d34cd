/* A program may be run by the dynamic loader, called as a program with options of its own. Its workers are run
 * in the same way: they have its functions and those of modules, and what the options have loaded. */
#include "install.h"
#include "rerun.h"
#include <dlfcn.h>
#include <link.h>
#include <sys/prctl.h>

static char *loader, *program;

static int find_loader(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size;
    (void)unused;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_INTERP) {
            loader = strdup((const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
        }
    }
    return 1;
}

/* The library is named from the directory in which the program begins. */
static void execute_by_loader(char *const arguments[]) {
    CHECK(chdir(getenv("TEST_TMP")) == 0);
    install_library("changing_1", "preloaded.so");
    execl(loader, loader, "--inhibit-cache", "--preload", "./preloaded.so", program, arguments[1], arguments[2],
          (char *)NULL);
}

/* A function of the main program that has no symbol. */
static int32_t finds_preloaded(pool_task_t *task) {
    char name[16];
    int32_t finds = dlsym(RTLD_DEFAULT, "tell_build") != NULL;
    CHECK(prctl(PR_GET_NAME, name) == 0);
    finds += strcmp(name, "pool/0") == 0 ? 2 : 0;
    return pool_task_return(task, &finds, sizeof finds);
}

static void run_tasks(const pool_options_t *options) {
    int32_t build = 0, finds = 0;
    pool_task_fn tell_build;
    *(void **)&tell_build = dlsym(RTLD_DEFAULT, "tell_build");
    CHECK(tell_build != NULL);
    for (int i = 0; i < 2; i++) {
        pool_t *pool = new_pool(options, 1);
        if (i == 0) CHECK_OK(pool_run(pool, tell_build, NULL, 0, POOL_FOREVER, &build, sizeof build, NULL));
        CHECK_OK(pool_run(pool, finds_preloaded, NULL, 0, POOL_FOREVER, &finds, sizeof finds, NULL));
        CHECK_EQUAL(build, 1);
        CHECK_EQUAL(finds & 1, 1);
        if (options->kind == POOL_PROCESS) CHECK_EQUAL(finds & 2, 2);
        pool_free(pool);
    }
}

int main(int argc, char **argv) {
    /* Where the loader cannot run programs, the first one fails. */
    pool_options_t options = test_begin(argc, argv);
    if (argc > 2) {
        CHECK(chdir("/") == 0);
        run_tasks(&options);
        return leaves_nothing_behind();
    }
    dl_iterate_phdr(find_loader, NULL);
    CHECK(loader != NULL);
    program = realpath("/proc/self/exe", NULL);
    rerun_by(execute_by_loader, argv, "by_loader", 0);
    free(program);
    free(loader);
    return leaves_nothing_behind();
}
