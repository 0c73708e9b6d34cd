/* The frame of every test program: checks that report what failed, and the final check that a freed
 * pool leaves no descriptor, thread, child process or mapping behind.
 *
 *     int main(int argc, char **argv) {
 *         pool_options_t options = test_begin(argc, argv);
 *         pool_t *pool = new_pool(&options, 2);
 *         CHECK_OK(pool_submit(...));
 *         pool_free(pool);
 *         return leaves_nothing_behind();
 *     }
 *
 * The kind of workers is the first argument. Exit codes: 0 passed, 77 nothing to test for this
 * kind, else failed. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <carpool.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SKIPPED 77

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) check_failed(__FILE__, __LINE__, #condition);                           \
    } while (0)

#define CHECK_IS(call, expected) check_status(__FILE__, __LINE__, #call, (call), (expected))
#define CHECK_OK(call) CHECK_IS(call, POOL_OK)

/* Two numbers are equal. Reports both if they are not. */
#define CHECK_EQUAL(left, right)                                                                  \
    check_equal(__FILE__, __LINE__, #left, (long long)(left), (long long)(right))

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Not exit(), which would wait for open pools and their running tasks. */
__attribute__((noreturn)) static inline void fail_at_once(void) {
    fflush(NULL);
    _exit(1);
}

static inline void check_failed(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
    fail_at_once();
}

static inline void check_status(const char *file, int line, const char *what,
                                pool_status_t status, pool_status_t expected) {
    if (status == expected) return;
    fprintf(stderr, "%s:%d: %s returned %s, not %s\n", file, line, what, pool_status_name(status),
            pool_status_name(expected));
    fail_at_once();
}

static inline void check_equal(const char *file, int line, const char *what, long long left,
                               long long right) {
    if (left == right) return;
    fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", file, line, what, left, right);
    fail_at_once();
}

static inline uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* For polling loops that wait for an outside event. No test may rely on an event having happened
 * because this much time has passed. */
static inline void pause_briefly(void) {
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
}

static inline void await_busy_workers(pool_t *pool, uint32_t n) {
    while (pool_count_busy_workers(pool) != n) pause_briefly();
}

/* ---- resources of this process, as the kernel counts them ---------------------------------- */

struct resources {
    int descriptors, threads, children, mappings;
};

static inline int count_entries(const char *folder) {
    int n = 0;
    DIR *entries = opendir(folder);
    CHECK(entries != NULL);
    for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries)) {
        n += entry->d_name[0] != '.';
    }
    closedir(entries);
    return n;
}

static inline int count_children(void) {
    int n = 0;
    DIR *threads = opendir("/proc/self/task");
    CHECK(threads != NULL);
    for (struct dirent *thread = readdir(threads); thread; thread = readdir(threads)) {
        char path[512];
        snprintf(path, sizeof path, "/proc/self/task/%s/children", thread->d_name);
        FILE *file = thread->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (!file) continue;
        int pid;
        while (fscanf(file, "%d", &pid) == 1) n++;
        fclose(file);
    }
    closedir(threads);
    return n;
}

/* Memory shared with workers. The mappings of the library itself stay, and are not counted. */
static inline int shared_mappings(void) {
    int n = 0;
    char line[4096 + 128];
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps)) n += strstr(line, "memfd:") != NULL;
    fclose(maps);
    return n;
}

static inline struct resources resources_now(void) {
    struct resources now;
    now.descriptors = count_entries("/proc/self/fd");
    now.threads = count_entries("/proc/self/task");
    now.children = count_children();
    now.mappings = shared_mappings();
    return now;
}

/* ---- begin and end ------------------------------------------------------------------------- */

static struct resources resources_at_start;

static int32_t warm_up(pool_task_t *task) {
    (void)task;
    return 0;
}

static inline pool_t *new_pool(const pool_options_t *options, uint32_t workers) {
    pool_options_t chosen = *options;
    pool_error_t error;
    pool_t *pool = NULL;
    chosen.max_workers = workers;
    pool_status_t status = pool_new(&chosen, &pool, &error);
    if (status != POOL_OK) fprintf(stderr, "%s\n", error.message);
    CHECK_OK(status);
    CHECK(pool != NULL);
    return pool;
}

/* Parses the kind, and runs one task, so that the library has created its per-process resources before
 * they are counted. TEST_TMP is a folder for this run; it is created unless the caller has set it. */
static inline pool_options_t test_begin(int argc, char **argv) {
#ifndef NO_WORKER_MAIN
    int code = pool_worker_main(argc, argv);
    if (code >= 0) exit(code);
#endif
    const char *kind = argc > 1 ? argv[1] : "thread";
    pool_options_t options = POOL_OPTIONS_INIT;
    options.kind = strcmp(kind, "thread") == 0   ? POOL_THREAD
                   : strcmp(kind, "inline") == 0 ? POOL_INLINE
                                                 : POOL_PROCESS;
    if (strstr(kind, "forkserver")) options.start = POOL_FORKSERVER;
    if (strcmp(kind, "fork") == 0 || strcmp(kind, "isolated_fork") == 0) options.start = POOL_FORK;
    if (strstr(kind, "isolated")) options.isolation = POOL_ISOLATED;
    /* Many programs have started threads by then. These hold no lock that workers need. */
    options.fork_with_threads = options.start == POOL_FORK;

    char folder[] = "/tmp/carpool-test-XXXXXX";
    if (!getenv("TEST_TMP")) setenv("TEST_TMP", mkdtemp(folder), 1);

    pool_t *pool = new_pool(&options, 1);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    pool_free(pool);
    resources_at_start = resources_now();
    return options;
}

/* For tests that need workers: their tasks block, or run concurrently. */
static inline void skip_inline(const pool_options_t *options) {
    if (options->kind == POOL_INLINE) exit(SKIPPED);
}

/* The last line of every main. A joined thread or a reaped child may remain visible in /proc for a
 * moment, so this polls until all are gone, for at most 2 seconds. */
static inline int leaves_nothing_behind(void) {
    struct resources now;
    CHECK_EQUAL(pool_count_live(), 0);
    for (int attempt = 0; attempt < 2000; attempt++) {
        now = resources_now();
        if (memcmp(&now, &resources_at_start, sizeof now) == 0) return 0;
        pause_briefly();
    }
    CHECK_EQUAL(now.descriptors, resources_at_start.descriptors);
    CHECK_EQUAL(now.threads, resources_at_start.threads);
    CHECK_EQUAL(now.children, resources_at_start.children);
    CHECK_EQUAL(now.mappings, resources_at_start.mappings);
    return 1;
}

/* The path of a library of support/libraries, which is built next to the program. The caller frees it. */
static inline char *library_path(const char *name) {
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    CHECK(length > 0);
    program[length] = 0;
    *strrchr(program, '/') = 0;
    char *path = (char *)malloc(strlen(program) + strlen(name) + 16);
    CHECK(path != NULL);
    sprintf(path, "%s/lib%s.so", program, name);
    return path;
}

#endif
