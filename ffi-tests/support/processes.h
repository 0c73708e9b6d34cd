/* The state of worker processes, and how to stop or kill them and wait until that has happened. */
#ifndef PROCESSES_H
#define PROCESSES_H

#include "rendezvous.h"
#include <errno.h>
#include <signal.h>

/* The state letter of proc(5), or 0 if there is no such process. */
static inline char process_state(pid_t pid) {
    char path[64], line[512], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    if (fgets(line, sizeof line, file)) sscanf(strrchr(line, ')') + 1, " %c", &state);
    fclose(file);
    return state;
}

/* Gone, or a zombie that its parent has not reaped yet. */
static inline int is_dead(pid_t pid) {
    char state = process_state(pid);
    return state == 0 || state == 'Z' || state == 'X';
}

static inline pid_t parent_of(pid_t pid) {
    char path[64], line[512];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    if (fgets(line, sizeof line, file)) sscanf(strrchr(line, ')') + 1, " %*c %d", &parent);
    fclose(file);
    return (pid_t)parent;
}

/* Whether it is a worker of this program, and alive: a number that was given to another process is not. */
static inline bool is_living_worker(pid_t pid) {
    pid_t parent = pid > 0 ? parent_of(pid) : 0;
    return parent > 0 && (parent == getpid() || parent_of(parent) == getpid()) && !is_dead(pid);
}

/* From then on it does nothing, and handles no other signal, until it is continued or killed. */
static inline void stop_and_wait(pid_t pid) {
    kill(pid, SIGSTOP);
    while (process_state(pid) != 'T') pause_briefly();
}

static inline void kill_and_wait(pid_t pid) {
    kill(pid, SIGKILL);
    while (!is_dead(pid)) pause_briefly();
}

/* Starts all n workers of a pool and gets their pids. On return all are idle. */
static inline void get_worker_pids(pool_t *pool, uint32_t gate, uint32_t n, pid_t *pids) {
    future_t *futures[64];
    CHECK(n <= 64);
    occupy(pool, gate, n, futures);
    for (uint32_t i = 0; i < n; i++) pids[i] = pid_of_worker(i);
    release(gate);
    wait_and_free(futures, n);
    await_busy_workers(pool, 0);
}

/* The error of a task whose worker died. */
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
