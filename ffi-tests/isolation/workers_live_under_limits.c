/* rlimits, nice, oom_score_adj and worker_cpus hold in every worker, and only there; a limit of memory
 * refuses what is over it; what cannot be meant is refused at once, and what is not allowed breaks the
 * pool. */
#include "rendezvous.h"
#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

enum { MEGABYTE = 1 << 20 };

struct seen {
    uint64_t files, data;
    int32_t priority, oom, cpu, cpus;
};

static int32_t number_in(const char *path) {
    int number;
    FILE *file = fopen(path, "r");
    CHECK(file && fscanf(file, "%d", &number) == 1);
    fclose(file);
    return number;
}

static struct seen see(void) {
    struct rlimit files, data;
    cpu_set_t cpus;
    struct seen seen = {0};
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0 && getrlimit(RLIMIT_DATA, &data) == 0);
    CHECK(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    seen.files = files.rlim_cur;
    seen.data = data.rlim_max;
    seen.priority = getpriority(PRIO_PROCESS, 0);
    seen.oom = number_in("/proc/self/oom_score_adj");
    seen.cpus = CPU_COUNT(&cpus);
    while (!CPU_ISSET(seen.cpu, &cpus)) seen.cpu++;
    return seen;
}

int32_t see_in_worker(pool_task_t *task) {
    struct seen seen = see();
    return pool_task_return(task, &seen, sizeof seen);
}

/* Result: whether 64 MiB could be had, and 1. */
int32_t want_memory(pool_task_t *task) {
    uint8_t had[2] = {0};
    void *memory = malloc(64 * MEGABYTE);
    had[0] = memory != NULL;
    free(memory);
    memory = malloc(MEGABYTE);
    had[1] = memory != NULL;
    free(memory);
    return pool_task_return(task, had, sizeof had);
}

static void check_seen(pool_options_t options, struct seen before) {
    const uint32_t cpu = (uint32_t)before.cpu;
    const pool_rlimit_t limits[] = {{RLIMIT_NOFILE, 64, 65}, {RLIMIT_CORE, 0, UINT64_MAX}};
    struct rlimit core;
    CHECK(getrlimit(RLIMIT_CORE, &core) == 0);
    options.rlimits = limits;
    options.n_rlimits = core.rlim_max == RLIM_INFINITY ? 2 : 1;
    options.nice = 3;
    options.oom_score_adj = before.oom < 1000 ? before.oom + 1 : 1000;
    options.worker_cpus = &cpu;
    options.n_worker_cpus = 1;
    options.memory_limit_per_worker = 32 * MEGABYTE;
    pool_t *pool = new_pool(&options, 1);
    struct seen seen;
    CHECK_OK(pool_run(pool, see_in_worker, NULL, 0, POOL_FOREVER, &seen, sizeof seen, NULL));
    CHECK_EQUAL(seen.files, 64);
    CHECK(options.start == POOL_FORK || seen.data == 32 * MEGABYTE);
    CHECK_EQUAL(seen.priority, before.priority + 3 < 19 ? before.priority + 3 : 19);
    CHECK_EQUAL(seen.oom, options.oom_score_adj);
    CHECK_EQUAL(seen.cpus, 1);
    CHECK_EQUAL(seen.cpu, before.cpu);
    uint8_t had[2];
    CHECK_OK(pool_run(pool, want_memory, NULL, 0, POOL_FOREVER, had, sizeof had, NULL));
    CHECK(!had[0] && had[1]);

    pool_options_t now = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &now));
    CHECK(now.rlimits != limits && now.rlimits[0].hard == 65 && now.worker_cpus[0] == cpu);
    CHECK_EQUAL(now.memory_limit_per_worker, 32 * MEGABYTE);
    pool_free(pool);
    struct seen after = see();
    CHECK(memcmp(&before, &after, sizeof after) == 0);
}

static void answers(pool_options_t options, pool_status_t expected, int line) {
    pool_error_t error;
    pool_t *pool;
    pool_status_t status = pool_new(&options, &pool, &error);
    if (status != expected) fprintf(stderr, "in line %d: ", line);
    CHECK_IS(status, expected);
    CHECK(error.message[0] != 0);
}

#define REFUSED(assignments, status)                                                              \
    do {                                                                                          \
        pool_options_t with = base;                                                               \
        with.assignments;                                                                         \
        answers(with, status, __LINE__);                                                          \
    } while (0)

static void check_refused(pool_options_t base) {
    static const uint32_t far = 1023, none = UINT32_MAX;
    static const pool_rlimit_t unknown = {16, 1, 1}, below = {-1, 1, 1}, upside = {RLIMIT_NOFILE, 9, 8},
                               data = {RLIMIT_DATA, 1 << 30, 1 << 30};
    pool_status_t status = base.kind == POOL_PROCESS ? POOL_ERR_INVALID : POOL_ERR_UNSUPPORTED;
    REFUSED(nice = 40, status);
    REFUSED(nice = -40, status);
    REFUSED(oom_score_adj = 1001, status);
    REFUSED(oom_score_adj = -1001, status);
    REFUSED(memory_limit_per_worker = 1, status);
    REFUSED(uid = UINT32_MAX, status);
    REFUSED(gid = UINT32_MAX, status);
    REFUSED(n_worker_cpus = 1, status);
    REFUSED(n_rlimits = 1, status);
    REFUSED(seccomp_len = 1, status);
    base.n_worker_cpus = 1;
    REFUSED(worker_cpus = &far, status);
    REFUSED(worker_cpus = &none, status);
    base.n_worker_cpus = 0;
    base.n_rlimits = 1;
    REFUSED(rlimits = &unknown, status);
    REFUSED(rlimits = &below, status);
    REFUSED(rlimits = &upside, status);
    base.memory_limit_per_worker = 1 << 30;
    REFUSED(rlimits = &data, status);
    base.memory_limit_per_worker = 0;
    base.n_rlimits = 0;
    if (base.kind == POOL_PROCESS) return;
    REFUSED(inherit_fds = (const int32_t *)&far, status);
    REFUSED(worker_stdin = "/dev/null", status);
    REFUSED(max_memory_per_worker = 1, status);
    REFUSED(no_new_privs = true, status);
    REFUSED(nice = 1, status);
}

/* No hard limit can be above what the kernel has at all. */
static void check_not_allowed(pool_options_t options) {
    const pool_rlimit_t above = {RLIMIT_NOFILE, 1, UINT64_MAX - 1};
    pool_error_t error;
    options.rlimits = &above;
    options.n_rlimits = 1;
    pool_t *pool = new_pool(&options, 1);
    CHECK_IS(pool_run(pool, see_in_worker, NULL, 0, POOL_FOREVER, NULL, 0, NULL),
             POOL_ERR_BROKEN);
    CHECK_IS(pool_check(pool, &error), POOL_ERR_BROKEN);
    CHECK_EQUAL(error.os_errno, EPERM);
    CHECK(strstr(error.message, "limit") != NULL);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    struct seen before = see();
    check_refused(options);
    if (options.kind != POOL_PROCESS) return leaves_nothing_behind();
    check_seen(options, before);
    check_not_allowed(options);
    return leaves_nothing_behind();
}
