/* Where /proc is missing, or the program has changed its root directory, a pool works, or a call returns an error that
 * says what is missing; nothing hangs. Workers that are forked come from a server that has all that it needs: only those
 * that are executed need the program's file again. */
#include "processes.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static pool_status_t use(pool_t *pool) {
    uint64_t n = 6, result = 0;
    pool_status_t status = pool_run(pool, square, &n, sizeof n, POOL_FOREVER, &result, sizeof result, NULL);
    CHECK(status != POOL_OK || result == 36);
    return status;
}

/* In a process of its own. Returns whether all worked. */
static int try_new_pool(const pool_options_t *options) {
    pool_options_t chosen = *options;
    pool_error_t error = {0};
    pool_t *pool;
    chosen.max_workers = 2;
    pool_status_t status = pool_new(&chosen, &pool, &error);
    if (status == POOL_OK) {
        status = use(pool);
        pool_check(pool, &error);
        pool_free(pool);
    }
    if (status != POOL_OK) printf("%s: %s\n", pool_status_name(status), error.message);
    CHECK(status == POOL_OK || error.message[0] != 0);
    return status == POOL_OK;
}

static void without_proc(const pool_options_t *options) {
    CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    CHECK(umount2("/proc", MNT_DETACH) == 0);
    CHECK(access("/proc/self", F_OK) != 0);
    bool works = try_new_pool(options);
    CHECK(works || options->kind == POOL_PROCESS);
}

static void with_another_root(const pool_options_t *options) {
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/root", getenv("TEST_TMP"));
    mkdir(folder, 0700);
    pool_t *pool = new_pool(options, 1);
    int64_t pid = pid_of_any_worker(pool);
    int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(old >= 0 && chdir(folder) == 0);
    CHECK(chroot(folder) == 0);
    if (options->kind == POOL_PROCESS) CHECK(kill((pid_t)pid, SIGKILL) == 0);
    pool_status_t status = use(pool);
    if (status != POOL_OK) CHECK(options->kind == POOL_PROCESS && options->start == POOL_SPAWN);
    pool_free(pool);
    bool works = try_new_pool(options);
    CHECK(works || options->kind == POOL_PROCESS);
    CHECK(fchdir(old) == 0 && chroot(".") == 0);
    close(old);
    CHECK(try_new_pool(options));
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    int status;
    word(0);
    if (geteuid() != 0) return SKIPPED;
    for (int way = 0; way < 2; way++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            if (way == 0 && unshare(CLONE_NEWNS) != 0) _exit(SKIPPED);
            if (way == 0) without_proc(&options);
            else with_another_root(&options);
            fflush(NULL);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status));
        if (WEXITSTATUS(status) == SKIPPED) return SKIPPED;
        CHECK_EQUAL(WEXITSTATUS(status), 0);
    }
    return leaves_nothing_behind();
}
