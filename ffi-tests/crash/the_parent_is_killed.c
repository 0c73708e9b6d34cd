/* When the program is killed outright, no worker outlives it by more than a second: not a busy
 * one, not one that blocks all signals, not an idle one, and not one that was just starting. */
#include "processes.h"
#include <sys/wait.h>

enum { ROUNDS = 8, WORKERS = 6, BUSY_GATE = 0, DEAF_GATE = 1, IDLE_GATE = 2, LATE_GATE = 3 };

/* Hears nothing, and wants to hear nothing of its parent's death. */
static int32_t wait_deaf(pool_task_t *task) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    return wait_at_gate(task);
}

static int32_t spin(pool_task_t *task) {
    (void)task;
    word_add(gate_started(BUSY_GATE), 1);
    for (volatile uint64_t n = 0;; n++) {}
    return 0;
}

/* The program that will be killed. */
static int host(const pool_options_t *options) {
    pool_t *pool = new_pool(options, WORKERS);
    future_t *idle;
    uint32_t deaf = DEAF_GATE;
    CHECK_OK(pool_submit(pool, spin, NULL, 0, NULL));
    submit_to_gate(pool, BUSY_GATE);
    CHECK_OK(pool_submit(pool, wait_deaf, &deaf, sizeof deaf, NULL));
    word_wait(gate_started(BUSY_GATE), 2);
    word_wait(gate_started(DEAF_GATE), 1);
    occupy(pool, IDLE_GATE, 1, &idle);
    release(IDLE_GATE);
    CHECK_OK(future_wait(idle, POOL_FOREVER));
    for (int i = 0; i < WORKERS; i++) submit_to_gate(pool, LATE_GATE);
    kill(getpid(), SIGKILL);
    return 1;
}

/* Living processes with this mark in their environment: the host of a round and its workers. */
static int alive_with(const char *mark) {
    static char environment[1 << 18];
    int n = 0;
    DIR *processes = opendir("/proc");
    CHECK(processes != NULL);
    for (struct dirent *entry = readdir(processes); entry; entry = readdir(processes)) {
        char path[512];
        int pid = atoi(entry->d_name);
        if (pid <= 0) continue;
        snprintf(path, sizeof path, "/proc/%d/environ", pid);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        size_t size = fread(environment, 1, sizeof environment, file);
        fclose(file);
        if (memmem(environment, size, mark, strlen(mark) + 1) && !is_dead(pid)) n++;
    }
    closedir(processes);
    return n;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    if (argc > 2) return host(&options);
    for (int round = 0; round < ROUNDS; round++) {
        int status;
        for (size_t index = 0; index < WORD_FIRST; index++) word_set(index, 0);
        char mark[64];
        snprintf(mark, sizeof mark, "TEST_HOST=%d.%d", (int)getpid(), round);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            putenv(mark);
            execl("/proc/self/exe", argv[0], argv[1], "host", (char *)NULL);
            _exit(127);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        uint64_t died = now_ns();
        int alive = alive_with(mark);
        while (alive && now_ns() < died + 1000000000) {
            pause_briefly();
            alive = alive_with(mark);
        }
        printf("round %d: after %" PRIu64 " us\n", round, (now_ns() - died) / 1000);
        CHECK_EQUAL(alive, 0);
    }
    return leaves_nothing_behind();
}
