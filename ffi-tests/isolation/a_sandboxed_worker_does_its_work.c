/* POOL_SANDBOX_COMPUTE leaves a worker all that it needs: results of every size, failures, signals, memory, its
 * limits, retirement, the finalizer, and deaths that are reported; a thousand tasks leave nothing behind. */
#include "processes.h"
#include <pthread.h>
#include <sys/resource.h>

enum { MEGABYTE = 1 << 20, LARGE = 80 * MEGABYTE, TASKS = 1000, FINALIZED = WORD_FIRST, SIGNALLED };

static int data_file = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void note_signal(int number) {
    (void)number;
    word_set(SIGNALLED, 1);
}

/* Opens what tasks use: the words, and a file. */
static int32_t begin(pool_task_t *task) {
    struct sigaction action = {.sa_handler = note_signal};
    (void)task;
    (void)word(0);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    data_file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    return data_file < 0;
}

static int32_t finish(pool_task_t *task) {
    (void)task;
    CHECK(open("/dev/null", O_RDONLY) == -1 && errno == EPERM);
    word_add(FINALIZED, 1);
    return 0;
}

static int32_t return_so_much(pool_task_t *task) {
    uint32_t size;
    memcpy(&size, pool_task_args(task, NULL), sizeof size);
    char *result = (char *)pool_task_result(task, size);
    if (!result) return 1;
    result[0] = result[size - 1] = 'x';
    return 0;
}

static int compare_ints(const void *left, const void *right) {
    return *(const int *)left - *(const int *)right;
}

static volatile sig_atomic_t caught;

static void catch_signal(int number) {
    caught = number;
}

/* What decoders and other code that computes call. */
static int32_t compute(pool_task_t *task) {
    enum { N = 100000 };
    struct timespec now, pause = {0, 1000};
    struct sigaction action = {.sa_handler = catch_signal};
    struct rlimit limit;
    struct rusage usage;
    unsigned char magic[4], random[16];
    int *numbers = (int *)malloc(N * sizeof *numbers);
    CHECK(numbers != NULL);
    for (int i = 0; i < N; i++) numbers[i] = (i * 7919) % N;
    qsort(numbers, N, sizeof *numbers, compare_ints);
    CHECK(numbers[0] == 0 && numbers[N - 1] == N - 1);
    numbers = (int *)realloc(numbers, 64 * MEGABYTE);
    CHECK(numbers != NULL);
    free(numbers);
    void *memory = mmap(NULL, MEGABYTE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED && mprotect(memory, MEGABYTE, PROT_READ | PROT_WRITE) == 0);
    memset(memory, 1, MEGABYTE);
    CHECK(madvise(memory, MEGABYTE, MADV_DONTNEED) == 0 && munmap(memory, MEGABYTE) == 0);
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0 && nanosleep(&pause, NULL) == 0);
    CHECK(syscall(SYS_getrandom, random, sizeof random, 0) == sizeof random);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && getrusage(RUSAGE_SELF, &usage) == 0);
    CHECK(pread(data_file, magic, sizeof magic, 0) == 4 && memcmp(magic, "\177ELF", 4) == 0);
    CHECK(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0 && raise(SIGUSR2) == 0);
    CHECK_EQUAL(caught, SIGUSR2);
    CHECK(kill(getpid(), SIGUSR2) == 0 && sched_yield() == 0);
    printf("a line\n");
    CHECK(fflush(stdout) == 0);
    return return_pid(task);
}

static int32_t fail_with_words(pool_task_t *task) {
    return pool_task_fail(task, 7, "on purpose");
}

static int32_t crash(pool_task_t *task) {
    (void)task;
    *(volatile int *)0 = 1; /* NOLINT */
    return 0;
}

static int32_t call_abort(pool_task_t *task) {
    (void)task;
    abort();
}

static int32_t call_exit(pool_task_t *task) {
    (void)task;
    exit(3);
}

static int32_t loop(pool_task_t *task) {
    (void)task;
    for (volatile int endless = 1; endless;) {
    }
    return 0;
}

static int32_t await_signal(pool_task_t *task) {
    word_wait(SIGNALLED, 1);
    return pool_task_soft_expired(task) ? 0 : 1;
}

static void expect(pool_t *pool, pool_task_fn function, pool_status_t status, int signal, int exit_code) {
    future_t *future;
    pool_error_t error;
    CHECK_OK(pool_submit(pool, function, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, status);
    CHECK_EQUAL(error.signal, signal);
    CHECK_EQUAL(error.exit_code, exit_code);
    future_free(future);
}

static void check_result(pool_t *pool, uint32_t size) {
    future_t *future;
    const void *data;
    size_t len;
    CHECK_OK(pool_submit(pool, return_so_much, &size, sizeof size, &future));
    CHECK_OK(future_collect(future, POOL_FOREVER, &data, &len));
    CHECK(len == size && ((const char *)data)[len - 1] == 'x');
    future_free(future);
}

static int64_t run_compute(pool_t *pool) {
    int64_t pid;
    CHECK_OK(pool_run(pool, compute, NULL, 0, POOL_FOREVER, &pid, sizeof pid, NULL));
    return pid;
}

static int files_of(int64_t pid) {
    char folder[64];
    snprintf(folder, sizeof folder, "/proc/%d/fd", (int)pid);
    return count_entries(folder);
}

static void check_one_worker(pool_options_t options) {
    options.max_memory_per_worker = (uint64_t)1 << 30;
    pool_t *pool = new_pool(&options, 1);
    int64_t pid = run_compute(pool);
    const uint32_t sizes[] = {1, 100, 1 << 16, 1 << 22, LARGE};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) check_result(pool, sizes[i]);
    int files = files_of(pid);
    for (int i = 0; i < TASKS; i++) check_result(pool, i % 100 == 0 ? 1 << 20 : 64);
    CHECK_EQUAL(run_compute(pool), pid);
    CHECK_EQUAL(files_of(pid), files);
    expect(pool, fail_with_words, POOL_ERR_TASK, 0, 0);
    CHECK_EQUAL(run_compute(pool), pid);
    expect(pool, crash, POOL_ERR_WORKER_LOST, SIGSEGV, 0);
    expect(pool, call_abort, POOL_ERR_WORKER_LOST, SIGABRT, 0);
    expect(pool, call_exit, POOL_ERR_WORKER_LOST, 0, 3);
    CHECK(run_compute(pool) != pid);
    word_set(FINALIZED, 0);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_EQUAL(word_get(FINALIZED), 1);
    pool_free(pool);
}

static void check_retirement(pool_options_t options) {
    options.max_tasks_per_worker = 2;
    pool_t *pool = new_pool(&options, 1);
    pool_stats_t stats = POOL_STATS_INIT;
    word_set(FINALIZED, 0);
    int64_t pids[4];
    for (int i = 0; i < 4; i++) pids[i] = run_compute(pool);
    CHECK(pids[0] == pids[1] && pids[1] != pids[2] && pids[2] == pids[3]);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    CHECK_OK(pool_stats(pool, &stats));
    CHECK_EQUAL(stats.workers_lost, 0);
    CHECK_EQUAL(word_get(FINALIZED), 2);
    pool_free(pool);
}

static void check_limits(pool_options_t options) {
    pool_options_t soft = options;
    soft.soft_limit_ms = 1;
    soft.soft_limit_signal = SIGUSR1;
    pool_t *pool = new_pool(&soft, 1);
    word_set(SIGNALLED, 0);
    CHECK_OK(pool_run(pool, await_signal, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    pool_free(pool);

    options.hard_limit_ms = 20;
    pool = new_pool(&options, 1);
    expect(pool, loop, POOL_ERR_HARD_LIMIT, SIGKILL, 0);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.sandbox = POOL_SANDBOX_COMPUTE;
    options.initializer.pointer = begin;
    options.finalizer.pointer = finish;
    check_one_worker(options);
    check_retirement(options);
    check_limits(options);
    return leaves_nothing_behind();
}
