/* What a task changes in its worker process stays for the tasks after it, and harms none of the library's work: its
 * standard descriptors are closed, its folder is gone, it is another user, it has left its process group, it blocks all
 * signals. The next tasks run in the same worker, also one of a module that it has not opened yet; it can still be
 * killed; and the worker after it has nothing of that. */
#include "processes.h"
#include <dlfcn.h>
#include <sys/stat.h>

enum { STARTED = WORD_FIRST, NOBODY = 65534 };

static int32_t close_standard_descriptors(pool_task_t *task) {
    (void)task;
    for (int fd = 0; fd < 3; fd++) close(fd);
    return 0;
}

static int32_t lose_its_folder(pool_task_t *task) {
    (void)task;
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/lost-%d", getenv("TEST_TMP"), (int)getpid());
    return mkdir(folder, 0700) != 0 || chdir(folder) != 0 || rmdir(folder) != 0;
}

/* Where its parent is in another session, it stays. */
static int32_t leave_its_group(pool_task_t *task) {
    (void)task;
    setpgid(0, getpgid(getppid()));
    return 0;
}

static int32_t block_all_signals(pool_task_t *task) {
    (void)task;
    sigset_t all;
    sigfillset(&all);
    umask(0777);
    return sigprocmask(SIG_BLOCK, &all, NULL);
}

static int32_t become_nobody(pool_task_t *task) {
    (void)task;
    return geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0;
}

static int32_t stay(pool_task_t *task) {
    (void)task;
    word_set(STARTED, (uint32_t)getpid());
    for (;;) pause();
    return 0;
}

static const struct change {
    const char *name;
    pool_task_fn function;
} changes[] = {
    {"close_standard_descriptors", close_standard_descriptors},
    {"lose_its_folder", lose_its_folder},
    {"leave_its_group", leave_its_group},
    {"block_all_signals", block_all_signals},
    {"become_nobody", become_nobody},
};

/* The rights of another user do not suffice to open the words of the test later. */
static int32_t open_words(pool_task_t *task) {
    word_get(0);
    return return_pid(task);
}

static void change(const pool_options_t *options, const struct change *change, pool_task_fn plus_ten) {
    pool_t *pool = new_pool(options, 1);
    int64_t before;
    uint64_t n = 1;
    future_t *future;
    word_set(STARTED, 0);
    CHECK_OK(pool_run(pool, open_words, NULL, 0, POOL_FOREVER, &before, sizeof before, NULL));
    CHECK_OK(pool_run(pool, change->function, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_run(pool, plus_ten, &n, sizeof n, POOL_FOREVER, &n, sizeof n, NULL));
    CHECK_EQUAL(n, 11);
    CHECK_EQUAL(pid_of_any_worker(pool), before);
    CHECK_OK(pool_submit(pool, stay, NULL, 0, &future));
    word_wait(STARTED, 1);
    CHECK_EQUAL(word_get(STARTED), before);
    CHECK_OK(future_cancel(future, POOL_CANCEL_RUNNING));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_EQUAL(future_state(future), FUTURE_CANCELLED);
    future_free(future);
    CHECK(pid_of_any_worker(pool) != before);
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.kill_grace_ms = 50;
    char *path = library_path("plugin");
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        printf("%s\n", changes[i].name);
        void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        pool_task_fn plus_ten;
        CHECK(module != NULL);
        *(void **)&plus_ten = dlsym(module, "plus_ten");
        change(&options, &changes[i], plus_ten);
    }
    free(path);
    return leaves_nothing_behind();
}
