/* However many workers start, die and end, the host gets no signal, none of its system calls is interrupted,
 * and it has no child that a wait could take. A host that waits for any child, or that ignores SIGCHLD, learns
 * of each lost worker all the same, and how it died. */
#include "processes.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { WORKERS = 2, DEATHS = 30, EXIT_CODE = 3 };

static _Atomic int signals, is_over, taken, interrupted;

static void on_child(int number) {
    (void)number;
    atomic_fetch_add(&signals, 1);
}

/* Arguments: whether to exit, and not to crash. */
static int32_t die_so(pool_task_t *task) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (*(const char *)pool_task_args(task, NULL)) _exit(EXIT_CODE);
    raise(SIGSEGV);
    return 0;
}

/* Waits for any child, all the time: there is none. */
static void *take_children(void *unused) {
    (void)unused;
    while (!atomic_load(&is_over)) {
        if (waitpid(-1, NULL, 0) > 0) atomic_fetch_add(&taken, 1);
        pause_briefly();
    }
    return NULL;
}

/* Sleeps in a call that a signal would interrupt, handler or not. */
static void *sleep_long(void *unused) {
    int ends[2];
    char byte;
    (void)unused;
    CHECK(pipe(ends) == 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    while (!atomic_load(&is_over)) {
        struct timespec pause = {0, 20000000};
        if (nanosleep(&pause, NULL) != 0 && errno == EINTR) atomic_fetch_add(&interrupted, 1);
        CHECK(read(ends[0], &byte, 1) == -1 && errno == EAGAIN);
    }
    close(ends[0]);
    close(ends[1]);
    return NULL;
}

static void lose_workers(const pool_options_t *options) {
    pool_t *pool = new_pool(options, WORKERS);
    for (int i = 0; i < DEATHS; i++) {
        future_t *future;
        char exits = i % 2 == 0;
        CHECK_OK(pool_submit(pool, die_so, &exits, 1, &future));
        CHECK_OK(future_wait(future, POOL_FOREVER));
        pool_error_t error = check_lost(future);
        CHECK_EQUAL(error.signal, exits ? 0 : SIGSEGV);
        CHECK_EQUAL(error.exit_code, exits ? EXIT_CODE : 0);
        future_free(future);
    }
    CHECK_OK(pool_wait_ready(pool, WORKERS, POOL_FOREVER));
    CHECK_EQUAL(count_children(), 0);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.max_restarts = UINT32_MAX;
    pthread_t taker, sleeper;
    struct sigaction counts = {.sa_handler = on_child};
    CHECK(sigaction(SIGCHLD, &counts, NULL) == 0);
    CHECK(pthread_create(&taker, NULL, take_children, NULL) == 0);
    CHECK(pthread_create(&sleeper, NULL, sleep_long, NULL) == 0);
    lose_workers(&options);
    signal(SIGCHLD, SIG_IGN);
    lose_workers(&options);
    signal(SIGCHLD, SIG_DFL);
    atomic_store(&is_over, 1);
    pthread_join(taker, NULL);
    pthread_join(sleeper, NULL);
    CHECK_EQUAL(signals, 0);
    CHECK_EQUAL(taken, 0);
    CHECK_EQUAL(interrupted, 0);
    return leaves_nothing_behind();
}
