/* A program that ends without shutting its pool down, in whatever way, takes its workers with it, within a second: also
 * a worker that has turned its death signal off and moved to another process group. */
#include "processes.h"
#include <sys/prctl.h>
#include <sys/wait.h>

enum { GATE = 0, WORKERS = 3 };

static void end_by_return(void) {}

static void end_by__exit(void) {
    _exit(3);
}

static void end_by_quick_exit(void) {
    quick_exit(3);
}

static void end_by_abort(void) {
    abort();
}

static void end_by_segv(void) {
    volatile int *volatile nowhere = NULL;
    *nowhere = 1;
}

static void end_by_term(void) {
    raise(SIGTERM);
}

static void end_by_exec(void) {
    execl("/bin/true", "true", (char *)NULL);
}

static const struct end {
    const char *name;
    void (*function)(void);
} ends[] = {
    {"return", end_by_return}, {"_exit", end_by__exit}, {"quick_exit", end_by_quick_exit}, {"abort", end_by_abort},
    {"segv", end_by_segv},     {"term", end_by_term},   {"exec", end_by_exec},
};

/* A parent's death reaches it by nothing but what the library watches itself. */
static int32_t wait_deaf(pool_task_t *task) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_PDEATHSIG, 0);
    setpgid(0, getpgid(getppid()));
    return wait_at_gate(task);
}

static int live(pool_options_t *options, const struct end *end) {
    uint32_t gate = GATE;
    future_t *futures[WORKERS];
    options->at_exit = POOL_EXIT_KILL;
    pool_t *pool = new_pool(options, WORKERS);
    for (int i = 0; i < WORKERS; i++) {
        CHECK_OK(pool_submit(pool, i == 0 ? wait_deaf : wait_at_gate, &gate, sizeof gate, &futures[i]));
    }
    word_wait(gate_started(GATE), WORKERS);
    end->function();
    return 0;
}

/* All processes that the program leaves become children of this one: it is their subreaper. */
static void reap_all(const struct end *end) {
    for (uint64_t began = 0;;) {
        pid_t pid = waitpid(-1, NULL, began ? WNOHANG : 0);
        if (pid == -1 && errno == ECHILD) return;
        CHECK(pid >= 0);
        if (!began) began = now_ns(); /* the program, since all others were still its workers' */
        if (now_ns() - began > 1000000000u) check_failed(__FILE__, __LINE__, end->name);
        if (pid == 0) usleep(200);
    }
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    if (argc > 2) return live(&options, &ends[atoi(argv[2])]);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
    word(0);
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        char number[8];
        reset_gate(GATE);
        snprintf(number, sizeof number, "%zu", i);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            execl("/proc/self/exe", argv[0], argv[1], number, (char *)NULL);
            _exit(127);
        }
        reap_all(&ends[i]);
        CHECK_EQUAL(word_get(gate_started(GATE)), WORKERS);
    }
    return leaves_nothing_behind();
}
