/* worker_cpus: the worker of place i runs on the CPU i % n, and a worker that takes a lost one's place on
 * the same. */
#include "rendezvous.h"
#include <sched.h>
#include <signal.h>

struct place {
    uint32_t worker, cpu, gate;
};

static uint32_t only_cpu(void) {
    cpu_set_t cpus;
    uint32_t cpu = 0;
    CHECK(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    CHECK_EQUAL(CPU_COUNT(&cpus), 1);
    while (!CPU_ISSET(cpu, &cpus)) cpu++;
    return cpu;
}

int32_t tell_place(pool_task_t *task) {
    struct place place;
    memcpy(&place, pool_task_args(task, NULL), sizeof place);
    place.worker = pool_task_worker(task);
    place.cpu = only_cpu();
    word_add(gate_started(place.gate), 1);
    word_wait(gate_open(place.gate), 1);
    return pool_task_return(task, &place, sizeof place);
}

static void check_places(pool_t *pool, uint32_t gate, const uint32_t *cpus) {
    future_t *futures[3];
    struct place place = {0, 0, gate};
    const void *data;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(pool_submit(pool, tell_place, &place, sizeof place, &futures[i]));
    }
    word_wait(gate_started(gate), 3);
    release(gate);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(future_collect(futures[i], POOL_FOREVER, &data, NULL));
        memcpy(&place, data, sizeof place);
        CHECK_EQUAL(place.cpu, cpus[place.worker % 2]);
        future_free(futures[i]);
    }
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    cpu_set_t own;
    uint32_t cpus[2], n = 0;
    CHECK(sched_getaffinity(0, sizeof own, &own) == 0);
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++) {
        if (CPU_ISSET(cpu, &own)) cpus[n++] = cpu;
    }
    if (n < 2) return SKIPPED;
    options.worker_cpus = cpus;
    options.n_worker_cpus = n;
    pool_t *pool = new_pool(&options, 3);
    check_places(pool, 0, cpus);
    pool_worker_info_t workers[3] = {{.struct_size = sizeof *workers}};
    size_t found;
    CHECK_OK(pool_workers(pool, workers, 3, &found));
    CHECK_EQUAL(found, 3);
    CHECK(kill((pid_t)workers[1].pid, SIGKILL) == 0);
    check_places(pool, 1, cpus);
    pool_free(pool);
    return leaves_nothing_behind();
}
