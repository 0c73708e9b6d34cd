/* Runs each step of a task many times under callgrind, which counts the instructions.
 *
 *     valgrind --tool=callgrind ... counts process|thread TASKS
 *
 * The only worker is blocked while all tasks are submitted, so that no step waits for another one or spins
 * while its instructions are counted. After each step callgrind writes its counts under the name of the step;
 * for the worker, a task before all others resets the counts, and one after them writes them. Worker
 * processes are forked, because valgrind does not follow an exec. */
#include "bench.h"
#include <dlfcn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <valgrind/callgrind.h>

enum { POLL_NS = 20000000 };

/* Replaces libc's function for the library that is built for counting, because valgrind 3.19 does not support
 * pidfd_open. No process ends during the counts, so a descriptor that never becomes readable is sufficient. */
long syscall(long number, ...) {
    static long (*next)(long number, ...);
    if (number == SYS_pidfd_open) return eventfd(0, EFD_CLOEXEC);
    if (next == NULL) *(void **)&next = dlsym(RTLD_NEXT, "syscall");
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int32_t twice_plus_one(pool_task_t *task) {
    uint64_t x;
    memcpy(&x, pool_task_args(task, NULL), sizeof x);
    x = x * 2 + 1;
    return pool_task_return(task, &x, sizeof x);
}

/* Waits for a byte from the pipe in its arguments. The counts of the worker begin here. */
static int32_t begin(pool_task_t *task) {
    int32_t fd;
    char token;
    memcpy(&fd, pool_task_args(task, NULL), sizeof fd);
    if (read(fd, &token, 1) != 1) return pool_task_fail(task, 1, "the pipe is closed");
    CALLGRIND_ZERO_STATS;
    return 0;
}

static int32_t end(pool_task_t *task) {
    (void)task;
    CALLGRIND_DUMP_STATS_AT("run");
    return 0;
}

static pool_t *new_pool_of_one(const char *how, const int32_t *inherit_fd) {
    pool_options_t options = options_named(strcmp(how, "process") == 0 ? "fork" : how);
    options.max_workers = 1;
    if (options.kind == POOL_PROCESS) {
        options.inherit_fds = inherit_fd;
        options.n_inherit_fds = 1;
    }
    return new_pool_with(&options);
}

static void kill_now(pid_t pid, void *user) {
    (void)user;
    kill(pid, SIGKILL);
}

int main(int argc, char **argv) {
    if (argc != 3) die("usage: %s process|thread TASKS", argv[0]);
    uint64_t n = number(argv[2]), answer;
    int pipe_ends[2];
    CHECK(pipe(pipe_ends) == 0);
    pool_t *pool = new_pool_of_one(argv[1], &pipe_ends[0]);
    future_t **futures = new_touched(n * sizeof *futures), *first, *last;
    start_workers(pool, 1);

    CHECK_OK(pool_submit(pool, begin, &pipe_ends[0], sizeof pipe_ends[0], &first));
    while (future_state(first) == FUTURE_PENDING) sleep_ns(POLL_NS);
    CALLGRIND_ZERO_STATS;
    for (uint64_t x = 0; x < n; x++) {
        CHECK_OK(pool_submit(pool, twice_plus_one, &x, sizeof x, &futures[x]));
    }
    CALLGRIND_DUMP_STATS_AT("submit");
    CHECK_OK(pool_submit(pool, end, NULL, 0, &last));
    CHECK(write(pipe_ends[1], "x", 1) == 1);
    while (future_state(last) == FUTURE_PENDING || future_state(last) == FUTURE_RUNNING) sleep_ns(POLL_NS);

    CALLGRIND_ZERO_STATS;
    for (uint64_t x = 0; x < n; x++) CHECK_OK(future_wait(futures[x], POOL_FOREVER));
    CALLGRIND_DUMP_STATS_AT("wait");
    for (uint64_t x = 0; x < n; x++) {
        memcpy(&answer, collect(futures[x], sizeof answer), sizeof answer);
        CHECK(answer == x * 2 + 1);
    }
    CALLGRIND_DUMP_STATS_AT("collect");
    for (uint64_t x = 0; x < n; x++) future_free(futures[x]);
    CALLGRIND_DUMP_STATS_AT("free");

    each_child(kill_now, NULL); /* the pool could not see that they have ended, see syscall */
    _exit(0);
}
