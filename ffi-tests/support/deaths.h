/* How to die, and how to see that somebody is dead. */
#ifndef DEATHS_H
#define DEATHS_H

#include "meet.h"
#include <errno.h>
#include <signal.h>

/* A letter, as proc(5) tells it; 0: it is gone. */
static inline char state_of(pid_t pid) {
    char path[64], line[512], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    if (fgets(line, sizeof line, file)) sscanf(strrchr(line, ')') + 1, " %c", &state);
    fclose(file);
    return state;
}

/* A process that was killed is dead when it is gone, or waits for its parent to notice. */
static inline int is_dead(pid_t pid) {
    char state = state_of(pid);
    return state == 0 || state == 'Z' || state == 'X';
}

/* It does nothing any more, not even with other signals, until it is continued or killed. */
static inline void stop_and_wait(pid_t pid) {
    kill(pid, SIGSTOP);
    while (state_of(pid) != 'T') look_again_soon();
}

static inline void kill_and_wait(pid_t pid) {
    kill(pid, SIGKILL);
    while (!is_dead(pid)) look_again_soon();
}

/* Starts all n workers of a pool and learns their processes; afterwards all are idle. */
static inline void learn_workers(pool_t *pool, uint32_t gate, uint32_t n, pid_t *pids) {
    future_t *futures[64];
    CHECK(n <= 64);
    occupy(pool, gate, n, futures);
    for (uint32_t i = 0; i < n; i++) pids[i] = pid_of_seat(i);
    release(gate);
    wait_and_free(futures, n);
    await_busy_workers(pool, 0);
}

/* The error of a task that was lost with its worker. */
static inline pool_error_t check_lost(future_t *future) {
    pool_error_t error;
    const void *data;
    CHECK_IS(future_result(future, &data, NULL), POOL_ERR_WORKER_LOST);
    CHECK(data == NULL);
    CHECK_EQUAL(future_state(future), FUTURE_FAILED);
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, POOL_ERR_WORKER_LOST);
    CHECK(error.worker_pid > 0 && error.worker_pid != getpid());
    return error;
}

#endif
