/* seccomp_filter: the system calls that the header lists are all that a worker itself needs: for tasks,
 * for results of every size, to sleep and be woken, to look at its memory, and to leave. Any other one
 * is deadly here. */
#include "rendezvous.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

enum { LARGE = 100 << 20, ROUNDS = 20 };

static const int listed[] = {
    SYS_futex,   SYS_sched_yield, SYS_clock_gettime, SYS_sendmsg, SYS_madvise, SYS_mmap,
    SYS_munmap,  SYS_brk,         SYS_exit_group,    SYS_memfd_create, SYS_ftruncate, SYS_fcntl,
    SYS_close,   SYS_pread64,     SYS_readlinkat,
#ifdef SYS_readlink
    SYS_readlink,
#endif
#ifdef SYS_poll
    SYS_poll,
#endif
    SYS_ppoll,   SYS_getpid,      SYS_getpgid,       SYS_kill,
#ifdef SYS_getpgrp
    SYS_getpgrp,
#endif
};

int32_t return_so_much(pool_task_t *task) {
    uint32_t size;
    memcpy(&size, pool_task_args(task, NULL), sizeof size);
    char *result = (char *)pool_task_result(task, size);
    if (!result) return 1;
    result[size - 1] = 'x';
    return 0;
}

int32_t fail_with_words(pool_task_t *task) {
    return pool_task_fail(task, 7, "on purpose");
}

static size_t allow_only_listed(struct sock_filter *program) {
    size_t n = 0;
    struct sock_filter load =
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_filter kill = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    program[n++] = load;
    for (size_t i = 0; i < COUNT_OF(listed); i++) {
        struct sock_filter skip =
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)listed[i], 0, 1);
        program[n++] = skip;
        program[n++] = allow;
    }
    program[n++] = kill;
    return n;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    struct sock_filter program[2 + 2 * COUNT_OF(listed)];
    options.seccomp_filter = program;
    options.seccomp_len = allow_only_listed(program);
    options.max_memory_per_worker = 1 << 30;
    options.initializer.pointer = warm_up; /* so this program's functions have been looked for */
    pool_t *pool = new_pool(&options, 1);
    const uint32_t sizes[] = {1, 100, 1 << 16, 1 << 22, LARGE};
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t size = sizes[i % COUNT_OF(sizes)];
        future_t *future;
        const void *data;
        size_t len;
        CHECK_OK(pool_submit(pool, return_so_much, &size, sizeof size, &future));
        CHECK_OK(future_collect(future, POOL_FOREVER, &data, &len));
        CHECK(len == size && ((const char *)data)[size - 1] == 'x');
        future_free(future);
        CHECK_IS(pool_run(pool, fail_with_words, NULL, 0, POOL_FOREVER, NULL, 0, NULL),
                 POOL_ERR_TASK);
        pause_briefly(); /* long enough for the worker to fall asleep */
    }
    pool_stats_t stats = POOL_STATS_INIT;
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_OK(pool_stats(pool, &stats));
    CHECK_EQUAL(stats.workers_lost, 0);
    CHECK_EQUAL(stats.workers_started, 1);
    CHECK_EQUAL(stats.workers_lost, 0);
    pool_free(pool);
    return leaves_nothing_behind();
}
