/* What every test program begins and ends with: checks that say what failed, and the proof that
 * a freed pool leaves nothing behind.
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

/* Two numbers are the same; says both where they are not. */
#define CHECK_EQUAL(left, right)                                                                  \
    check_equal(__FILE__, __LINE__, #left, (long long)(left), (long long)(right))

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Not by exit, which would wait for the pools that are open and what they run. */
__attribute__((noreturn)) static inline void fail_at_once(void) {
    fflush(NULL);
    _exit(1);
}

static inline void check_failed(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    fail_at_once();
}

static inline void check_status(const char *file, int line, const char *what,
                                pool_status_t status, pool_status_t expected) {
    if (status == expected) return;
    fprintf(stderr, "%s:%d: %s answers %s, not %s\n", file, line, what, pool_status_name(status),
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

/* For loops that look again until something outside has happened. Nothing is ever expected to
 * have happened because this much time has passed. */
static inline void look_again_soon(void) {
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
}

static inline void await_busy_workers(pool_t *pool, uint32_t n) {
    while (pool_count_busy_workers(pool) != n) look_again_soon();
}

/* ---- what the kernel knows of this process ------------------------------------------------- */

struct traces {
    int descriptors, threads, children, mappings;
};

static inline int entries_in(const char *folder) {
    int n = 0;
    DIR *entries = opendir(folder);
    CHECK(entries != NULL);
    for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries)) {
        n += entry->d_name[0] != '.';
    }
    closedir(entries);
    return n;
}

static inline int children(void) {
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

/* Memory shared with workers. Code of the library itself is not counted: it stays. */
static inline int shared_mappings(void) {
    int n = 0;
    char line[4096 + 128];
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps)) n += strstr(line, "memfd:") != NULL;
    fclose(maps);
    return n;
}

static inline struct traces traces_now(void) {
    struct traces now;
    now.descriptors = entries_in("/proc/self/fd");
    now.threads = entries_in("/proc/self/task");
    now.children = children();
    now.mappings = shared_mappings();
    return now;
}

/* ---- begin and end ------------------------------------------------------------------------- */

static struct traces traces_at_start;

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

/* Reads the kind, and lets the library make what it makes only once in a process. TEST_TMP is a
 * folder for this run; whoever runs the program may choose it. */
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
    if (strcmp(kind, "forkserver") == 0) options.start = POOL_FORKSERVER;
    if (strcmp(kind, "fork") == 0) options.start = POOL_FORK;
    /* Many programs have threads of their own by then; they hold nothing that workers use. */
    options.fork_with_threads = options.start == POOL_FORK;

    char folder[] = "/tmp/carpool-test-XXXXXX";
    if (!getenv("TEST_TMP")) setenv("TEST_TMP", mkdtemp(folder), 1);

    pool_t *pool = new_pool(&options, 1);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    pool_free(pool);
    traces_at_start = traces_now();
    return options;
}

/* For what needs workers: tasks that wait, or run beside each other. */
static inline void skip_inline(const pool_options_t *options) {
    if (options->kind == POOL_INLINE) exit(SKIPPED);
}

/* The last line of every main. A thread that was joined, or a child that was reaped, may stand in
 * /proc a moment longer, so this looks until nothing is left, and gives up after 2 seconds. */
static inline int leaves_nothing_behind(void) {
    struct traces now;
    CHECK_EQUAL(pool_count_live(), 0);
    for (int look = 0; look < 2000; look++) {
        now = traces_now();
        if (memcmp(&now, &traces_at_start, sizeof now) == 0) return 0;
        look_again_soon();
    }
    CHECK_EQUAL(now.descriptors, traces_at_start.descriptors);
    CHECK_EQUAL(now.threads, traces_at_start.threads);
    CHECK_EQUAL(now.children, traces_at_start.children);
    CHECK_EQUAL(now.mappings, traces_at_start.mappings);
    return 1;
}

/* The path of one of the libraries in libraries/, which are built beside the program. Yours to free. */
static inline char *library(const char *name) {
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
