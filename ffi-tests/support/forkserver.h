/* Forkservers: the processes that workers are forked from. They are no children of this one. */
#ifndef FORKSERVER_H
#define FORKSERVER_H

#include "lifecycle.h"
#include "processes.h"

/* The title of a forkserver is the name of its pool and this. */
#define FORKSERVER_SUFFIX "/forkserver"

/* Whether a name in /proc/PID/comm is a forkserver's. The kernel keeps 15 bytes of a title: one that is cut must
 * still show the beginning of the suffix. */
static inline int is_forkserver_name(const char *name) {
    enum { KEPT = 15 };
    const char *suffix = strrchr(name, '/');
    if (!suffix || strncmp(suffix, FORKSERVER_SUFFIX, strlen(suffix)) != 0) return 0;
    if (strlen(suffix) == strlen(FORKSERVER_SUFFIX)) return 1;
    return strlen(name) == KEPT && strlen(suffix) > 1;
}

static inline int is_forkserver(pid_t pid) {
    char path[64], name[64] = {0};
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    char *end = fgets(name, sizeof name, file) ? strchr(name, '\n') : NULL;
    fclose(file);
    if (!end) return 0;
    *end = 0;
    return is_forkserver_name(name);
}

/* Counts the forkservers of this test. Returns the pid of the last one found, or 0. */
static inline pid_t find_forkservers(int *count) {
    pid_t pids[256], found = 0;
    int n = processes_of_this_test(pids, COUNT_OF(pids));
    *count = 0;
    for (int i = 0; i < n; i++) {
        if (!is_forkserver(pids[i]) || is_dead(pids[i])) continue;
        found = pids[i];
        ++*count;
    }
    return found;
}

static inline pid_t current_forkserver(void) {
    int count;
    return find_forkservers(&count);
}

static inline int count_forkservers(void) {
    int count;
    find_forkservers(&count);
    return count;
}

static inline pid_t forkserver_of(pool_t *pool) {
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    pid_t pid = current_forkserver();
    CHECK(pid > 0);
    return pid;
}

/* Kills it, and waits until it was reaped. */
static inline void kill_forkserver(pid_t pid) {
    kill(pid, SIGKILL);
    while (process_state(pid) != 0) pause_briefly();
}

#endif
