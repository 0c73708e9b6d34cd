/* POOL_ISOLATED with POOL_SANDBOX_COMPUTE: a task that knows where the secret of another one is, and in which
 * process, reads and changes it by no system call, neither in that worker nor in the caller. */
#include "processes.h"
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

enum { WORKERS = 2, SECRET = 0x5ec4e7 };

struct target {
    pid_t pid;
    uint64_t *address;
};

/* Not zero: it was reached, by this way. */
static int reach(struct target target) {
    uint64_t read = 0, zero = 0;
    struct iovec here = {&read, sizeof read}, there = {target.address, sizeof read};
    char path[64];
    if (process_vm_readv(target.pid, &here, 1, &there, 1, 0) != -1 || errno != EPERM) return 1;
    here.iov_base = &zero;
    if (process_vm_writev(target.pid, &here, 1, &there, 1, 0) != -1 || errno != EPERM) return 2;
    if (ptrace(PTRACE_ATTACH, target.pid, 0, 0) != -1 || errno != EPERM) return 3;
    snprintf(path, sizeof path, "/proc/%d/mem", (int)target.pid);
    if (open(path, O_RDWR | O_CLOEXEC) != -1 || errno != EPERM) return 4;
    snprintf(path, sizeof path, "/proc/%d/fd/3", (int)target.pid);
    if (open(path, O_RDWR | O_CLOEXEC) != -1 || errno != EPERM) return 5;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)target.pid);
    if (open(path, O_RDONLY | O_CLOEXEC) != -1 || errno != EPERM) return 6;
    if (kill(target.pid, 0) != -1 || errno != EPERM) return 7;
    return 0;
}

int32_t try_to_reach(pool_task_t *task) {
    size_t len;
    const struct target *targets = (const struct target *)pool_task_args(task, &len);
    for (size_t i = 0; i < len / sizeof *targets; i++) {
        int how = reach(targets[i]);
        if (how) return pool_task_fail(task, (int32_t)(10 * (i + 1)) + how, "reached");
    }
    return 0;
}

/* Opens what tasks use. */
static int32_t begin(pool_task_t *task) {
    (void)task;
    (void)word(0);
    return 0;
}

/* Tells where its arguments are, and returns them when it may. */
int32_t hold(pool_task_t *task) {
    size_t len;
    const void *args = pool_task_args(task, &len);
    word_set(WORD_FIRST + 2, (uint32_t)((uintptr_t)args >> 32));
    word_set(WORD_FIRST + 1, (uint32_t)(uintptr_t)args);
    word_set(WORKER_PIDS, (uint32_t)getpid());
    word_add(gate_started(0), 1);
    word_wait(gate_open(0), 1);
    return pool_task_return(task, args, len);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.isolation != POOL_ISOLATED) return SKIPPED;
    options.sandbox = POOL_SANDBOX_COMPUTE;
    options.initializer.pointer = begin;
    pool_t *pool = new_pool(&options, WORKERS);
    uint64_t secret = SECRET, kept = 0;
    future_t *holder;
    CHECK_OK(pool_submit(pool, hold, &secret, sizeof secret, &holder));
    word_wait(gate_started(0), 1);
    uintptr_t address = (uintptr_t)word_get(WORD_FIRST + 2) << 32 | word_get(WORD_FIRST + 1);
    struct target targets[] = {
        {pid_of_worker(0), (uint64_t *)address},
        {getpid(), &secret},
    };
    future_t *trying;
    pool_error_t error;
    CHECK_OK(pool_submit(pool, try_to_reach, targets, sizeof targets, &trying));
    CHECK_OK(future_wait(trying, POOL_FOREVER));
    CHECK_OK(future_error(trying, &error));
    if (error.status != POOL_OK) fprintf(stderr, "%s: %d\n", error.message, error.task_code);
    CHECK_OK(error.status);
    future_free(trying);
    release(0);
    const void *data;
    CHECK_OK(future_collect(holder, POOL_FOREVER, &data, NULL));
    memcpy(&kept, data, sizeof kept);
    CHECK_EQUAL(kept, SECRET);
    future_free(holder);
    pool_free(pool);
    return leaves_nothing_behind();
}
