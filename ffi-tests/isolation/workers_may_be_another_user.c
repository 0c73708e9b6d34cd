/* uid and gid: workers run as that user and group, without supplementary groups, and cannot go back; they
 * still end with their parent, and results of every size arrive. Without the privilege the pool breaks and
 * reports the reason. */
#include "rendezvous.h"
#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { NOBODY = 65534, LARGE = 100 << 20 };

int32_t check_identity(pool_task_t *task) {
    (void)task;
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group;
    int signal = 0;
    CHECK(getresuid(&real, &effective, &saved) == 0);
    CHECK(getresgid(&real_group, &effective_group, &saved_group) == 0);
    CHECK(real == NOBODY && effective == NOBODY && saved == NOBODY);
    CHECK(real_group == NOBODY && effective_group == NOBODY && saved_group == NOBODY);
    CHECK_EQUAL(getgroups(0, NULL), 0);
    CHECK(setuid(0) == -1 && setgid(0) == -1);
    CHECK(prctl(PR_GET_PDEATHSIG, &signal) == 0);
    CHECK_EQUAL(signal, 0); /* its parent is a fork server, which it outlives */
    CHECK_EQUAL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    return 0;
}

int32_t return_much(pool_task_t *task) {
    char *result = (char *)pool_task_result(task, LARGE);
    CHECK(result != NULL);
    result[LARGE - 1] = 'x';
    return 0;
}

static void check_dropped(pool_options_t options) {
    const gid_t group = 1;
    CHECK(setgroups(1, &group) == 0);
    options.uid = options.gid = NOBODY;
    options.no_new_privs = true;
    pool_t *pool = new_pool(&options, 1);
    future_t *future;
    const void *data;
    size_t len;
    CHECK_OK(pool_run(pool, check_identity, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_submit(pool, return_much, NULL, 0, &future));
    CHECK_OK(future_collect(future, POOL_FOREVER, &data, &len));
    CHECK(len == LARGE && ((const char *)data)[LARGE - 1] == 'x');
    future_free(future);
    pool_free(pool);
    CHECK_EQUAL(getuid(), 0);
}

/* In a child, because there is no way back. */
static void check_not_allowed(pool_options_t options) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        pool_error_t error;
        if (getuid() == 0) CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0);
        options.uid = 1;
        pool_t *pool = new_pool(&options, 1);
        CHECK_IS(pool_wait_ready(pool, 1, POOL_FOREVER), POOL_ERR_BROKEN);
        CHECK_IS(pool_check(pool, &error), POOL_ERR_BROKEN);
        CHECK_EQUAL(error.os_errno, EPERM);
        pool_free(pool);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQUAL(status, 0);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    if (getuid() == 0) check_dropped(options);
    options.min_workers = 1;
    check_not_allowed(options);
    return leaves_nothing_behind();
}
