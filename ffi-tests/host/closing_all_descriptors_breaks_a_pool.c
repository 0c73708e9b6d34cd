/* A program that closes descriptors which it has not opened, as daemons do, loses its pools, and nothing else:
 * they end with an error, in time, and leave alone what the program opens under their numbers. */
#include "callbacks.h"
#include "external_driver.h"
#include "processes.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { FIRST = 3, OWN = 120, GATE = 0 };

static int own[OWN];

static int open_one(int i, int *peer) {
    int pair[2] = {-1, -1};
    switch (i % 5) {
    case 0: return memfd_create("own", MFD_CLOEXEC);
    case 1: return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    case 2: return epoll_create1(EPOLL_CLOEXEC);
    case 3: CHECK(pipe2(pair, O_NONBLOCK | O_CLOEXEC) == 0); break;
    case 4: CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    }
    *peer = pair[1];
    return pair[0];
}

/* Files of all kinds, under the numbers that the library had. */
static void open_own(void) {
    for (int i = 0; i < OWN; i++) {
        int peer = -1;
        CHECK((own[i] = open_one(i, &peer)) >= FIRST);
        if (peer >= 0 && ++i < OWN) own[i] = peer;
        else if (peer >= 0) close(peer);
    }
    for (int i = 0; i < OWN; i++) CHECK(fcntl(own[i], F_GETFD) >= 0);
}

/* They are open, and nobody has written to them or read from them. */
static void check_and_close_own(void) {
    char byte[16];
    for (int i = 0; i < OWN; i++) {
        struct stat about;
        CHECK(fstat(own[i], &about) == 0);
        if (S_ISREG(about.st_mode)) CHECK_EQUAL(about.st_size, 0);
        else CHECK(read(own[i], byte, sizeof byte) < 0);
    }
    for (int i = 0; i < OWN; i++) CHECK(close(own[i]) == 0);
}

static void close_all(void) {
    CHECK(close_range(FIRST, ~0u, 0) == 0);
    resources_at_start.descriptors = count_entries("/proc/self/fd");
    open_own();
}

static void await_broken(pool_t *pool) {
    while (!(pool_state(pool) & POOL_STATE_BROKEN)) pause_briefly();
    pool_error_t error;
    CHECK_IS(pool_check(pool, &error), POOL_ERR_BROKEN);
    if (strstr(error.message, "closed descriptors") == NULL) {
        fprintf(stderr, "%s\n", error.message);
        fail_at_once();
    }
    CHECK_IS(pool_submit(pool, warm_up, NULL, 0, NULL), POOL_ERR_BROKEN);
}

/* One task runs, one is queued. */
static void close_while_busy(const pool_options_t *options) {
    pool_t *pool = new_pool(options, 1);
    future_t *running, *queued;
    pool_error_t error;
    reset_gate(GATE);
    occupy(pool, GATE, 1, &running);
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &queued));
    close_all();
    await_broken(pool);
    CHECK_OK(future_wait(queued, POOL_FOREVER));
    CHECK_OK(future_error(queued, &error));
    CHECK(error.status == POOL_ERR_BROKEN || error.status == POOL_ERR_CANCELLED);
    if (options->kind == POOL_THREAD) release(GATE);
    CHECK_OK(future_wait(running, POOL_FOREVER));
    CHECK_OK(future_error(running, &error));
    CHECK_IS(error.status, options->kind == POOL_THREAD ? POOL_OK : POOL_ERR_WORKER_LOST);
    future_free(running);
    future_free(queued);
    pool_free(pool);
    check_and_close_own();
}

/* While the pool has idle workers, or none. */
static void close_while_idle(const pool_options_t *options, int has_workers) {
    pool_t *pool = new_pool(options, 2);
    if (has_workers) CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    /* A start that is under way opens descriptors after that. */
    if (options->min_workers > 0) CHECK_OK(pool_wait_ready(pool, 2, POOL_FOREVER));
    close_all();
    await_broken(pool);
    pool_free(pool);
    check_and_close_own();
}

/* The pool is freed at once. */
static void close_and_free(const pool_options_t *options) {
    pool_t *pool = new_pool(options, 2);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    close_all();
    pool_free(pool);
    check_and_close_own();
}

/* A child of the program has copies of the descriptors, so that no worker sees their end. */
static void close_beside_a_child(const pool_options_t *options) {
    pool_t *pool = new_pool(options, 2);
    future_t *running;
    reset_gate(GATE);
    occupy(pool, GATE, 1, &running);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (;;) pause();
    }
    close_all();
    await_broken(pool);
    if (options->kind == POOL_THREAD) release(GATE);
    CHECK_OK(future_wait(running, POOL_FOREVER));
    future_free(running);
    pool_free(pool);
    check_and_close_own();
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
}

/* Those that a program polls. */
static void close_events(const pool_options_t *options) {
    pool_t *pool = new_driven_pool(options, 1);
    future_t *promise, *taken;
    future_set_t *set;
    CHECK_OK(future_new_promise(&promise));
    CHECK_OK(future_set_new(&set));
    CHECK(future_set_fd(set) >= FIRST && pool_fd(pool) >= FIRST);
    CHECK_OK(future_set_add(set, promise));
    close_all();
    CHECK_OK(future_resolve(promise, "1", 1));
    CHECK_OK(future_set_next(set, POOL_FOREVER, &taken));
    future_free(taken);
    future_set_free(set);
    pool_free(pool);
    check_and_close_own();
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    reset_gate(GATE);
    close_events(&options);
    skip_inline(&options);
    close_while_busy(&options);
    close_while_idle(&options, 0);
    close_while_idle(&options, 1);
    close_and_free(&options);
    close_beside_a_child(&options);
    options.min_workers = 2;
    close_while_idle(&options, 1);
    return leaves_nothing_behind();
}
