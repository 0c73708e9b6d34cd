/* seccomp_filter: a call that the filter refuses fails in the task and the worker lives on; one that it
 * kills for costs the one task. The initializer has run before. */
#include "rendezvous.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>

/* uname fails with EDOM, getsid is deadly; all else goes on. */
static const struct sock_filter program[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsid, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_uname, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static int uname_works(void) {
    char room[4096];
    return syscall(SYS_uname, room) == 0;
}

static void *ask_in_thread(void *asked) {
    word_wait(WORD_FIRST, 1);
    *(int *)asked = uname_works();
    return NULL;
}

struct asker {
    pthread_t thread;
    int works;
};

int32_t start_asker(pool_task_t *task) {
    struct asker *asker = (struct asker *)calloc(1, sizeof *asker);
    CHECK(uname_works());
    asker->works = -1;
    CHECK(pthread_create(&asker->thread, NULL, ask_in_thread, &asker->works) == 0);
    *pool_task_state(task) = asker;
    return 0;
}

/* Also in a thread that is older than the filter. */
int32_t find_refused(pool_task_t *task) {
    struct asker *asker = (struct asker *)*pool_task_state(task);
    CHECK(!uname_works() && errno == EDOM);
    word_set(WORD_FIRST, 1);
    if (asker->works == -1) CHECK(pthread_join(asker->thread, NULL) == 0);
    CHECK_EQUAL(asker->works, 0);
    CHECK_EQUAL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    return return_pid(task);
}

int32_t ask_for_death(pool_task_t *task) {
    (void)task;
    getsid(0);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    struct sock_filter mine[COUNT_OF(program)];
    memcpy(mine, program, sizeof mine);
    options.seccomp_filter = mine;
    options.seccomp_len = COUNT_OF(mine);
    options.initializer.pointer = start_asker;
    pool_t *pool = new_pool(&options, 1);
    memset(mine, 0xff, sizeof mine);
    int64_t pids[2];
    for (int i = 0; i < 2; i++) {
        CHECK_OK(pool_run(pool, find_refused, NULL, 0, POOL_FOREVER, &pids[i], sizeof *pids, NULL));
    }
    CHECK_EQUAL(pids[0], pids[1]);
    word_set(WORD_FIRST, 0); /* for the next worker */
    future_t *future;
    pool_error_t error;
    CHECK_OK(pool_submit(pool, ask_for_death, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, POOL_ERR_WORKER_LOST);
    CHECK_EQUAL(error.signal, 31);
    future_free(future);
    CHECK_OK(pool_run(pool, find_refused, NULL, 0, POOL_FOREVER, &pids[0], sizeof *pids, NULL));
    CHECK(pids[0] != pids[1]);
    pool_options_t now = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &now));
    CHECK(now.seccomp_len == COUNT_OF(program));
    CHECK(memcmp(now.seccomp_filter, program, sizeof program) == 0);
    pool_free(pool);

    /* What is no program. */
    options.seccomp_filter = mine;
    options.initializer.pointer = NULL;
    pool = new_pool(&options, 1);
    CHECK_IS(pool_run(pool, return_pid, NULL, 0, POOL_FOREVER, NULL, 0, NULL), POOL_ERR_BROKEN);
    CHECK_IS(pool_check(pool, &error), POOL_ERR_BROKEN);
    CHECK_EQUAL(error.os_errno, EINVAL);
    pool_free(pool);
    return leaves_nothing_behind();
}
