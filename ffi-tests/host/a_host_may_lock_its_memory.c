/* A program that locks its memory (mlockall), before or after it makes a pool, or in a worker, keeps the memory of a
 * pool small. One that may lock little has pools all the same, or is told that RLIMIT_MEMLOCK is too low. */
#include "rerun.h"
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { TASKS = 50, MANY = 20000, LARGE = 300000, SMALL_MIB = 192, TOO_MUCH_MIB = 2048, NOT_ALLOWED = 78 };

static void limit_stacks(rlim_t bytes) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
    limit.rlim_cur = bytes;
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
}

/* Opened before memory is locked. Nothing is allocated to read it: a mapping would wait until all that is locked
 * has been populated. */
static int memory_in_use = -1;

static long resident_mib(void) {
    char line[128];
    long pages = 0;
    ssize_t len = pread(memory_in_use, line, sizeof line - 1, 0);
    CHECK(len > 0);
    line[len] = 0;
    CHECK(sscanf(line, "%*d %ld", &pages) == 1);
    return pages * (sysconf(_SC_PAGESIZE) / 1024) / 1024;
}

/* Ends a process that is being given all memory of the machine. */
static void *watch_memory(void *unused) {
    (void)unused;
    for (;;) {
        if (resident_mib() > TOO_MUCH_MIB) {
            static const char words[] = "too much memory is resident\n";
            (void)!write(STDERR_FILENO, words, sizeof words - 1);
            _exit(1);
        }
        usleep(200);
    }
    return NULL;
}

static bool lock_memory(int which) {
    pthread_t thread;
    memory_in_use = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    CHECK(memory_in_use >= 0);
    CHECK(pthread_create(&thread, NULL, watch_memory, NULL) == 0);
    CHECK(pthread_detach(thread) == 0);
    return mlockall(which) == 0;
}

static int32_t return_large(pool_task_t *task) {
    char *room = (char *)pool_task_result(task, LARGE);
    if (!room) return 1;
    memset(room, 7, LARGE);
    return 0;
}

static int32_t lock_worker(pool_task_t *task) {
    long mib = lock_memory(MCL_CURRENT | MCL_FUTURE) ? resident_mib() : 0;
    return pool_task_return(task, &mib, sizeof mib);
}

static void run_tasks(pool_t *pool) {
    static char args[LARGE], result[LARGE];
    for (int i = 0; i < TASKS; i++) {
        size_t len;
        CHECK_OK(pool_run(pool, return_large, args, sizeof args, POOL_FOREVER, result, sizeof result, &len));
        CHECK(len == LARGE && result[LARGE - 1] == 7);
    }
}

/* ---- the cases ------------------------------------------------------------------------------ */

static int lock_before(const pool_options_t *options) {
    if (!lock_memory(MCL_CURRENT | MCL_FUTURE)) return NOT_ALLOWED;
    pool_t *pool = new_pool(options, 2);
    run_tasks(pool);
    CHECK(resident_mib() < SMALL_MIB);
    pool_free(pool);
    return 0;
}

static int lock_after(const pool_options_t *options) {
    pool_t *pool = new_pool(options, 2);
    run_tasks(pool);
    if (!lock_memory(MCL_CURRENT | MCL_FUTURE)) return NOT_ALLOWED;
    CHECK(resident_mib() < SMALL_MIB);
    run_tasks(pool);
    pool_t *other = new_pool(options, 2);
    run_tasks(other);
    CHECK(resident_mib() < SMALL_MIB);
    pool_free(other);
    pool_free(pool);
    return 0;
}

static int lock_in_worker(const pool_options_t *options) {
    pool_t *pool = new_pool(options, 1);
    long mib;
    CHECK_OK(pool_run(pool, lock_worker, NULL, 0, POOL_FOREVER, &mib, sizeof mib, NULL));
    CHECK(mib < SMALL_MIB);
    run_tasks(pool);
    pool_free(pool);
    return mib ? 0 : NOT_ALLOWED;
}

/* As an ordinary user: only who has this capability may lock more than RLIMIT_MEMLOCK. */
static void become_limited(rlim_t bytes) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    struct rlimit limit = {bytes, bytes};
    CHECK(syscall(SYS_capget, &header, data) == 0);
    for (int i = 0; i < 2; i++) data[i].inheritable = 0;
    data[0].effective &= ~(1u << CAP_IPC_LOCK);
    data[0].permitted &= ~(1u << CAP_IPC_LOCK);
    CHECK(syscall(SYS_capset, &header, data) == 0);
    CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
}

/* Up to a rest of less than a MiB, for malloc. */
static void lock_what_is_allowed(void) {
    while (mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) {
    }
    CHECK(errno == EAGAIN);
}

static int lock_little(const pool_options_t *options) {
    static future_t *futures[MANY];
    become_limited((rlim_t)8 << 20);
    if (!lock_memory(MCL_FUTURE)) return NOT_ALLOWED;
    pool_t *pool = new_pool(options, 2);
    run_tasks(pool);
    lock_what_is_allowed();
    /* More than may be locked, and none of it is. */
    CHECK_OK(pool_submit_many(pool, warm_up, futures, sizeof *futures, MANY, futures, NULL));
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(future_wait(futures[i], POOL_FOREVER));
        future_free(futures[i]);
    }
    run_tasks(pool);
    CHECK(munlockall() == 0);
    pool_free(pool);
    return 0;
}

static int lock_nothing(const pool_options_t *options) {
    become_limited((rlim_t)64 << 10);
    limit_stacks(2 << 20); /* larger than those that were mapped before */
    if (mlockall(MCL_FUTURE)) return NOT_ALLOWED;
    pool_t *pool = NULL;
    pool_error_t error;
    pool_status_t status = pool_new(options, &pool, &error);
    CHECK(munlockall() == 0);
    if (options->kind != POOL_INLINE) {
        CHECK_IS(status, POOL_ERR_OS);
        if (!strstr(error.message, "RLIMIT_MEMLOCK")) fprintf(stderr, "%s\n", error.message);
        CHECK(strstr(error.message, "RLIMIT_MEMLOCK") != NULL);
        pool = new_pool(options, 1);
    }
    run_tasks(pool);
    pool_free(pool);
    return 0;
}

/* Linux 6.15 and later can keep pages from being populated that are mapped already. */
static bool can_guard(void) {
    int file = memfd_create("probe", MFD_CLOEXEC);
    CHECK(file >= 0 && ftruncate(file, 1 << 16) == 0);
    void *start = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    CHECK(start != MAP_FAILED);
    bool can = madvise(start, 1 << 16, 102) == 0;
    munmap(start, 1 << 16);
    return can;
}

static const struct {
    const char *name;
    int (*run)(const pool_options_t *options);
    bool needs_guard;
} cases[] = {
    {"before", lock_before, false},        {"after", lock_after, true},      {"worker", lock_in_worker, true},
    {"little", lock_little, false}, {"nothing", lock_nothing, false},
};

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.max_workers = 1;
    if (argc > 2) {
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            if (strcmp(argv[2], cases[i].name)) continue;
            int code = cases[i].run(&options);
            munlockall();
            /* The thread that watches is left. */
            _exit(code == NOT_ALLOWED ? 0 : code);
        }
        return 1;
    }
    /* The stack of each thread is locked, too. */
    limit_stacks(1 << 20);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (cases[i].needs_guard && !can_guard()) continue;
        rerun(argv, cases[i].name, 0);
    }
    return leaves_nothing_behind();
}
