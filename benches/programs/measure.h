/* Shared by all programs that measure, also by those of other pools: clocks, percentiles, processes, memory.
 *
 * C and C++. Each program answers one question, takes its parameters as arguments, and prints one line of
 * JSON. Names that end in _ns are times in nanoseconds. A wrong result ends the program: the time of a wrong
 * result is not a measurement. */
#ifndef MEASURE_H
#define MEASURE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- errors ---------------------------------------------------------------------------------- */

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    exit(1);
}

/* Ends the program because it cannot measure on this machine. */
__attribute__((noreturn)) static inline void skip(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(77);
}

#define CHECK(what) \
    do { \
        if (!(what)) die("%s:%d: check failed: %s", __FILE__, __LINE__, #what); \
    } while (0)

/* ---- arguments ------------------------------------------------------------------------------- */

static inline uint64_t number(const char *text) {
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') die("not a number: %s", text);
    return value;
}

/* ---- time ------------------------------------------------------------------------------------ */

static inline uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    CHECK(clock_gettime(clock, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t now_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

static inline void sleep_ns(uint64_t ns) {
    struct timespec left = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) != 0) continue;
}

/* The parent of a process, or -1 if there is no such process. */
static inline pid_t parent_of(const char *pid) {
    char path[300], line[512];
    int parent = -1;
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *stat = fopen(path, "r");
    if (stat == NULL) return -1;
    /* The name is in brackets and may itself contain brackets and spaces: the last bracket ends it. */
    const char *name_end = fgets(line, sizeof line, stat) ? strrchr(line, ')') : NULL;
    if (name_end == NULL || sscanf(name_end, ") %*c %d", &parent) != 1) parent = -1;
    fclose(stat);
    return parent;
}

/* Calls visit for all descendants that have not been reaped: workers may be forked from a child. */
static inline void each_child_of(pid_t parent, void (*visit)(pid_t pid, void *user), void *user) {
    DIR *processes = opendir("/proc");
    CHECK(processes != NULL);
    for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        if (parent_of(entry->d_name) != parent) continue;
        visit((pid_t)number(entry->d_name), user);
        each_child_of((pid_t)number(entry->d_name), visit, user);
    }
    closedir(processes);
}

static inline void each_child(void (*visit)(pid_t pid, void *user), void *user) {
    each_child_of(getpid(), visit, user);
}

static inline void add_cpu_of(pid_t pid, void *sum_ns) {
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return;
    *(uint64_t *)sum_ns += (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* User and system time of the children, both live and reaped. */
static inline uint64_t children_cpu_ns(void) {
    uint64_t sum_ns = 0;
    each_child(add_cpu_of, &sum_ns);
    struct rusage reaped;
    CHECK(getrusage(RUSAGE_CHILDREN, &reaped) == 0);
    sum_ns += (uint64_t)(reaped.ru_utime.tv_sec + reaped.ru_stime.tv_sec) * 1000000000u;
    return sum_ns + (uint64_t)(reaped.ru_utime.tv_usec + reaped.ru_stime.tv_usec) * 1000u;
}

/* An interval of wall time, and the CPU time that this process and its children used in it. */
struct span {
    uint64_t wall_ns, self_cpu_ns, children_cpu_ns;
};

/* Searching for children takes time itself, so it is first here and last in span_end. */
static inline struct span span_begin(void) {
    struct span span;
    span.children_cpu_ns = children_cpu_ns();
    span.self_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    span.wall_ns = now_ns();
    return span;
}

static inline void span_end(struct span *span) {
    span->wall_ns = now_ns() - span->wall_ns;
    span->self_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - span->self_cpu_ns;
    span->children_cpu_ns = children_cpu_ns() - span->children_cpu_ns;
}

/* CPU time per one of n. */
static inline double cpu_each_ns(const struct span *span, uint64_t n) {
    return (double)(span->self_cpu_ns + span->children_cpu_ns) / (double)n;
}

/* ---- percentiles ----------------------------------------------------------------------------- */

static inline int compare_u64(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Sorts the values. */
static inline uint64_t percentile(uint64_t *values, size_t n, unsigned percent) {
    CHECK(n > 0);
    qsort(values, n, sizeof *values, compare_u64);
    return values[(n - 1) * percent / 100];
}

/* ---- memory of processes ------------------------------------------------------------------------ */

/* A line of /proc/PID/smaps_rollup, such as "Pss:", in bytes; 0 if the process has ended. */
static inline uint64_t rollup_bytes(pid_t pid, const char *key) {
    char path[64], line[256];
    uint64_t kib = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) kib = strtoull(line + strlen(key), NULL, 10);
    }
    if (file != NULL) fclose(file);
    return kib * 1024;
}

static inline void add_pss_of(pid_t pid, void *sum_bytes) {
    *(uint64_t *)sum_bytes += rollup_bytes(pid, "Pss:");
}

/* The proportional set size of this process and its children: a page shared by n processes counts as 1/n. */
static inline uint64_t pss_of_all(void) {
    uint64_t sum_bytes = 0;
    add_pss_of(getpid(), &sum_bytes);
    each_child(add_pss_of, &sum_bytes);
    return sum_bytes;
}

/* ---- buffers, child processes, CPUs ------------------------------------------------------------- */

/* A buffer whose pages have been touched, so that the measurement does not include the page faults. */
static inline void *new_touched(size_t len) {
    void *buffer = malloc(len);
    CHECK(buffer != NULL);
    memset(buffer, 1, len);
    return buffer;
}

static inline void *new_shared(size_t len) {
    void *buffer = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(buffer != MAP_FAILED);
    memset(buffer, 0, len);
    return buffer;
}

/* fork. The child is killed when its parent ends. */
static inline pid_t fork_peer(void) {
    pid_t parent = getpid();
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1);
    }
    return pid;
}

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* The nth CPU that this process may use, or -1. Call it before pin. */
static inline int nth_cpu(int n) {
    cpu_set_t allowed;
    CHECK(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && n-- == 0) return cpu;
    }
    return -1;
}

static inline void pin(int cpu) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
}

#endif
