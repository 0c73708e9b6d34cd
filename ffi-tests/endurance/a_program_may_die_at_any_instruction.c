/* A program that is killed at any instruction of making a pool, submitting, and ending the pool, in the thread that does
 * that or in the pool's own, leaves no process: all that it has started, or was starting, is gone within a second.
 * Instructions are counted from the last beginning or end of a system call, since each of these changes what others
 * see. ENDURANCE_SECONDS sets for how long they are tried; ENDURANCE_CASE="supervisor 12 34" tries one: in that thread,
 * 34 instructions behind the 12th. */
#include "endurance.h"
#include "instructions.h"
#include <sys/prctl.h>

enum { CALLER, SUPERVISOR, THREADS, WORKERS = 2, TASKS = 4, MOST_BEHIND = 200 };
enum { IS_READY = WORD_FIRST, MAY_GO, IS_DONE };

static const char *const threads[] = {"caller", "supervisor"};

/* ---- the program ---------------------------------------------------------------------------------- */

__attribute__((noreturn)) static void live(const pool_options_t *options) {
    future_t *futures[TASKS];
    word_set(IS_READY, 1);
    word_wait(MAY_GO, 1);
    pool_t *pool = new_pool(options, WORKERS);
    for (uint64_t i = 0; i < TASKS; i++) CHECK_OK(pool_submit(pool, square, &i, sizeof i, &futures[i]));
    wait_and_free(futures, TASKS);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    pool_free(pool);
    word_set(IS_DONE, 1);
    for (;;) pause();
}

/* ---- the tester ----------------------------------------------------------------------------------- */

/* Starts a program, which is stopped before it makes its pool. */
static struct traced begin(char *const *argv, int who) {
    for (size_t index = IS_READY; index <= IS_DONE; index++) atomic_store(word(index), 0);
    pid_t pid = run_again(argv, "live");
    word_wait(IS_READY, 1);
    struct traced program = {pid, pid, IS_DONE, 1, who == SUPERVISOR ? PTRACE_O_TRACECLONE : 0, 0};
    if (!begin_tracing(&program)) {
        printf("skip: instructions: processes may not be traced here\n");
        kill(pid, SIGKILL);
        exit(SKIPPED);
    }
    word_set(MAY_GO, 1);
    if (who == CALLER) return program;
    /* The first thread that the caller starts is the supervisor. */
    unsigned long thread = 0;
    do CHECK(go_on(&program, PTRACE_CONT));
    while (program.event != PTRACE_EVENT_CLONE);
    CHECK(ptrace(PTRACE_GETEVENTMSG, program.thread, NULL, &thread) == 0);
    CHECK(ptrace(PTRACE_DETACH, program.thread, NULL, NULL) == 0);
    program.thread = (pid_t)thread;
    int status;
    CHECK(await_change(program.thread, &status) == program.thread && WIFSTOPPED(status));
    return program;
}

static char running[64]; /* the case */

static void fails(const char *why) {
    fprintf(stderr, "ENDURANCE_CASE=\"%s\"\n", running);
    check_failed(__FILE__, __LINE__, why);
}

/* All processes that the killed one leaves become children of this one: it is their subreaper. */
static void kill_and_reap_all(const struct traced *program) {
    CHECK(kill(program->pid, SIGKILL) == 0);
    for (uint64_t killed = now_ns();;) {
        int status;
        pid_t pid = waitpid(-1, &status, __WALL | WNOHANG);
        if (pid == -1 && errno == ECHILD) return;
        bool is_killed = pid != program->pid || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        if (!is_killed) fails("the program had failed before");
        if (pid == 0 && now_ns() - killed > 1000000000u) fails("a process is left");
        if (pid == 0) usleep(200);
    }
}

/* How many beginnings and ends of system calls a thread comes to. */
static uint64_t count_stops(char *const *argv, int who) {
    struct traced program = begin(argv, who);
    uint64_t stops = 0;
    while (go_on(&program, PTRACE_SYSCALL)) stops++;
    kill_and_reap_all(&program);
    return stops;
}

static void kill_at(char *const *argv, int who, uint64_t stop, uint64_t behind) {
    struct traced program = begin(argv, who);
    bool is_there = true;
    for (uint64_t i = 0; i < stop && is_there; i++) is_there = go_on(&program, PTRACE_SYSCALL);
    for (uint64_t i = 0; i < behind && is_there; i++) is_there = go_on(&program, PTRACE_SINGLESTEP);
    kill_and_reap_all(&program);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    /* Threads that start meanwhile are not followed, such as those of isolated workers. */
    if (options.kind != POOL_PROCESS || options.isolation == POOL_ISOLATED) return SKIPPED;
    if (argc > 2) live(&options);
    uint64_t seed = endurance_seed() | 1, end = now_ns() + endurance_ns(2), stops[THREADS], kills = 0;
    uint64_t next[THREADS] = {random_below(&seed, 1000), random_below(&seed, 1000)};
    const char *wanted = getenv("ENDURANCE_CASE");
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
    look_at_the_time();
    word(0);
    for (int who = 0; who < THREADS; who++) stops[who] = count_stops(argv, who);
    for (; !endurance_is_over(end, "%" PRIu64 " programs killed", kills); kills++) {
        int who = (int)(kills % THREADS);
        next[who] += 7919; /* a prime: it meets all, in another order */
        uint64_t stop = next[who] % stops[who], behind = kills / THREADS % 2 ? random_below(&seed, MOST_BEHIND) : 0;
        if (wanted) {
            char name[16];
            CHECK(sscanf(wanted, "%15s %" SCNu64 " %" SCNu64, name, &stop, &behind) == 3);
            who = strcmp(name, threads[CALLER]) == 0 ? CALLER : SUPERVISOR;
        }
        snprintf(running, sizeof running, "%s %" PRIu64 " %" PRIu64, threads[who], stop, behind);
        kill_at(argv, who, stop, behind);
    }
    printf("%" PRIu64 " programs killed; system calls begin or end %" PRIu64 " times in the caller, %" PRIu64
           " in the supervisor\n", kills, stops[CALLER], stops[SUPERVISOR]);
    return leaves_nothing_behind();
}
