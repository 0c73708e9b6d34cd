/* A user who can have no more processes for a while gets no more workers meanwhile, whichever step of a
 * start the limit refuses. The pool is not broken by that: it tries again until it has them. */
#include "rendezvous.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
    FIRST_USER = 100000, /* from here on a user for each process, who has no other processes */
    FAILED_STARTS = WORD_FIRST,
    TRIES = 7, /* more than max_restarts is by default */
    WORKERS = 2,
    LIMIT = 24, /* processes and threads of the user: more than enough for all kinds */
    MOST_FREE = 8,
};

static pid_t others[LIMIT];
static int n_others;

static void count_failed_starts(pool_log_level_t level, const char *message, void *user) {
    (void)level;
    (void)user;
    if (strstr(message, "no worker could be started")) word_add(FAILED_STARTS, 1);
}

/* Starts other processes of the user, until there can be no more. */
static void start_others(void) {
    for (;;) {
        pid_t pid = fork();
        if (pid < 0) return;
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close_range(3, UINT32_MAX, 0);
            for (;;) pause();
        }
        CHECK(n_others < LIMIT);
        others[n_others++] = pid;
    }
}

static void end_others(int n) {
    for (; n > 0 && n_others > 0; n--) {
        pid_t pid = others[--n_others];
        CHECK(kill(pid, SIGKILL) == 0);
        CHECK(waitpid(pid, NULL, 0) == pid);
    }
}

static void start_workers(const pool_options_t *options, int n_free) {
    future_t *futures[WORKERS];
    pool_t *pool = new_pool(options, WORKERS);
    start_others();
    end_others(n_free);
    word_set(FAILED_STARTS, 0);
    for (int i = 0; i < WORKERS; i++) CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &futures[i]));
    while (word_get(FAILED_STARTS) < TRIES &&
           future_wait_many(futures, WORKERS, POOL_WAIT_ALL, 1, NULL) == POOL_ERR_TIMEOUT) {
        CHECK_OK(pool_check(pool, NULL));
    }
    end_others(LIMIT);
    CHECK_OK(future_wait_many(futures, WORKERS, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    for (int i = 0; i < WORKERS; i++) CHECK_EQUAL(future_state(futures[i]), FUTURE_COMPLETED);
    wait_and_free(futures, WORKERS);
    pool_free(pool);
}

static void become_another_user(const pool_options_t *options) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct rlimit limit = {LIMIT, LIMIT};
        uid_t user = FIRST_USER + (uid_t)getpid();
        CHECK(setresuid(user, user, user) == 0);
        CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
        for (int n_free = 0; n_free <= MOST_FREE; n_free++) start_workers(options, n_free);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQUAL(status, 0);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    if (getuid() != 0) return SKIPPED;
    word_set(FAILED_STARTS, 0);
    options.log = count_failed_starts;
    become_another_user(&options);
    return leaves_nothing_behind();
}
