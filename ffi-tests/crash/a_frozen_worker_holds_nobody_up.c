/* A worker that cannot even be killed, as in an uninterruptible wait for a device, costs the place that it has: the tasks
 * of others run, and a shutdown with a time limit returns in time and says that it has not ended. When the worker can be
 * killed again, all ends. The freezer of cgroups, version 1, stands in for the device. */
#include "processes.h"
#include <sys/stat.h>

enum { GATE = 0, WORKERS = 2, TASKS = 50, LIMIT_MS = 100, WAIT_MS = 300 };

static char group[256];

static bool write_text(const char *file, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", group, file);
    FILE *stream = fopen(path, "w");
    if (!stream) return false;
    fputs(text, stream);
    return fclose(stream) == 0;
}

static bool freeze(pid_t pid) {
    char number[32], path[512], state[32] = "";
    snprintf(group, sizeof group, "/sys/fs/cgroup/freezer/carpool-test-%d", (int)getpid());
    if (mkdir(group, 0700) != 0) return false;
    snprintf(number, sizeof number, "%d", (int)pid);
    if (!write_text("cgroup.procs", number) || !write_text("freezer.state", "FROZEN")) return false;
    snprintf(path, sizeof path, "%s/freezer.state", group);
    for (int attempt = 0; attempt < 1000 && strncmp(state, "FROZEN", 6) != 0; attempt++) {
        FILE *stream = fopen(path, "r");
        if (!stream || !fgets(state, sizeof state, stream)) return false;
        fclose(stream);
        pause_briefly();
    }
    return strncmp(state, "FROZEN", 6) == 0;
}

static void thaw(void) {
    write_text("freezer.state", "THAWED");
    for (int attempt = 0; attempt < 1000 && rmdir(group) != 0 && errno == EBUSY; attempt++) pause_briefly();
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    atexit(thaw);
    pool_t *pool = new_pool(&options, WORKERS);
    uint32_t gate = GATE;
    future_t *frozen, *others[TASKS];
    pool_call_t call = POOL_CALL_INIT;
    call.task = (pool_function_t){.pointer = wait_at_gate, .args = &gate, .len = sizeof gate};
    call.hard_limit_ms = LIMIT_MS;
    CHECK_OK(pool_submit_call(pool, &call, &frozen));
    word_wait(gate_started(GATE), 1);
    pid_t worker = (pid_t)(word_get(WORKER_PIDS) ? word_get(WORKER_PIDS) : word_get(WORKER_PIDS + 1));
    if (!freeze(worker)) {
        printf("skip: frozen workers: no freezer of cgroups, version 1\n");
        release(GATE);
        future_free(frozen);
        pool_free(pool);
        thaw();
        return SKIPPED;
    }
    for (uint64_t i = 0; i < TASKS; i++) CHECK_OK(pool_submit(pool, square, &i, sizeof i, &others[i]));
    for (uint64_t i = 0; i < TASKS; i++) CHECK_EQUAL(collect_number(others[i]), i * i);
    future_free_many(others, TASKS);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_KILL, WAIT_MS), POOL_ERR_TIMEOUT);
    CHECK(!is_dead(worker));
    thaw();
    CHECK_OK(future_wait(frozen, POOL_FOREVER));
    CHECK_EQUAL(future_state(frozen), FUTURE_FAILED);
    future_free(frozen);
    pool_free(pool);
    return leaves_nothing_behind();
}
