/* A host may exit while its workers' server is being started. Whoever starts it may then wait for a lock that a
 * thread of the host held, which nobody releases: here malloc never returns in a process that shares the host's
 * memory. A copy of the host is none: the C library's fork sees to its locks. */
#include "check.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

void *__libc_malloc(size_t size);

static _Atomic pid_t host;
static _Atomic int passes; /* how many calls of malloc return in other processes */
static _Atomic bool is_stuck, has_started;

static void forget_host(void) {
    atomic_store(&host, 0);
}

void *malloc(size_t size) {
    if (atomic_load(&host) && atomic_load(&host) != getpid() && atomic_fetch_sub(&passes, 1) <= 0) {
        atomic_store(&is_stuck, true);
        for (;;) pause();
    }
    return __libc_malloc(size);
}

static pool_options_t options;

static void *start_a_server(void *unused) {
    pool_t *pool;
    if (pool_new(&options, &pool, NULL) == POOL_OK) {
        pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL);
    }
    atomic_store(&has_started, true);
    return unused;
}

/* The end of the pipe is inherited by all that is started, and says when the last one is gone. */
static void exits_while_starting(int n_passes) {
    int ends[2];
    char byte;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        pthread_t thread;
        atomic_store(&passes, n_passes);
        atomic_store(&host, getpid());
        CHECK(pthread_create(&thread, NULL, start_a_server, NULL) == 0);
        while (!atomic_load(&is_stuck) && !atomic_load(&has_started)) pause_briefly();
        _exit(atomic_load(&is_stuck) ? 1 : 0);
    }
    int status;
    close(ends[1]);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    CHECK(n_passes > 0 || WEXITSTATUS(status) == 1);
    CHECK(read(ends[0], &byte, 1) == 0);
    close(ends[0]);
}

int main(int argc, char **argv) {
    options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.fork_with_threads = options.start == POOL_FORK;
    CHECK(pthread_atfork(NULL, NULL, forget_host) == 0);
    for (int n = 0; n < 24; n++) exits_while_starting(n);
    return leaves_nothing_behind();
}
