/* A worker that writes over the memory that it shares with the program, all of it and all the time, costs tasks and
 * workers: the program does not crash, nothing waits for ever, and what it does without that pool stays right. Each
 * round runs in a process of its own, so that a crash is reported with its seed. ENDURANCE_SECONDS sets how long;
 * VANDALS="words copies zeros callbacks" chooses what is written, and whether tasks have callbacks. */
#include "endurance.h"
#include <pthread.h>
#include <sys/wait.h>

enum { WORKERS = 3, WINDOW = 64, TASKS = 3000, HANG_S = 45, PAGES_MAX = 1 << 14 };

static const char *const all_vandals[] = {
    "words",  /* random words */
    "copies", /* words that lie elsewhere in the memory, and words that differ from what is there by little */
    "zeros",
};
/* What `make test` tries; `make fuzz` tries callbacks, too. */
static const char *chosen = "words copies zeros callbacks";

/* ---- the vandal: a thread that a task leaves behind ------------------------------------------- */

struct order {
    uint64_t seed;
    uint32_t vandal;
};

/* Pages of the shared memory that are in use: writing to others only makes them. */
static size_t find_pages(uint64_t **pages) {
    char line[4096];
    unsigned long start = 0, end = 0;
    size_t n = 0, page = (size_t)sysconf(_SC_PAGESIZE);
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps)) {
        if (!strstr(line, "memfd:carpool") || sscanf(line, "%lx-%lx", &start, &end) != 2) continue;
        for (size_t at = start; at < end; at += 1024 * page) {
            unsigned char resident[1024];
            size_t count = (end - at) / page < 1024 ? (end - at) / page : 1024;
            if (at - start > (size_t)1 << 32 || mincore((void *)at, count * page, resident) != 0) break;
            for (size_t i = 0; i < count && n < PAGES_MAX; i++) {
                if (resident[i] & 1) pages[n++] = (uint64_t *)(at + i * page);
            }
        }
    }
    fclose(maps);
    return n;
}

static void write_one(const struct order *order, uint64_t **pages, size_t n, uint64_t *seed) {
    /* The beginning is used most. */
    size_t page = random_below(seed, 2) ? random_below(seed, n < 8 ? n : 8) : random_below(seed, n);
    volatile uint64_t *word = pages[page] + random_below(seed, 512);
    switch (order->vandal) {
        case 0: *word = next_random(seed); break;
        case 1:
            switch (random_below(seed, 4)) {
                case 0: *word = pages[random_below(seed, n)][random_below(seed, 512)]; break;
                case 1: *word = *word + random_below(seed, 9) - 4; break;
                case 2: *word = *word ^ (uint64_t)1 << random_below(seed, 64); break;
                default: *word = random_below(seed, 4096); break;
            }
            break;
        default: *word = 0; break;
    }
}

static void *write_for_ever(void *data) {
    static uint64_t *pages[PAGES_MAX];
    struct order order = *(struct order *)data;
    for (uint64_t seed = order.seed | 1;;) {
        size_t n = find_pages(pages);
        for (int i = 0; n && i < 4000; i++) {
            write_one(&order, pages, n, &seed);
            if (i % 64 == 0) usleep((useconds_t)random_below(&seed, 400));
        }
    }
    return NULL;
}

static int32_t leave_a_vandal(pool_task_t *task) {
    static struct order order;
    pthread_t thread;
    memcpy(&order, pool_task_args(task, NULL), sizeof order);
    CHECK(pthread_create(&thread, NULL, write_for_ever, &order) == 0);
    return pthread_detach(thread);
}

static int32_t echo(pool_task_t *task) {
    size_t len;
    const void *args = pool_task_args(task, &len);
    return pool_task_return(task, args, len);
}

/* ---- the program ------------------------------------------------------------------------------ */

static void count_call(future_t *future, void *calls) {
    (void)future;
    atomic_fetch_add((_Atomic uint64_t *)calls, 1);
}

/* Whatever is returned may be touched: it lies in memory of this process. */
static void look_at(future_t *future) {
    const void *data;
    size_t len;
    pool_error_t error;
    uint64_t done, total;
    if (future_result(future, &data, &len) == POOL_OK && len) {
        (void)*(volatile const char *)data;
        (void)((volatile const char *)data)[len - 1];
    }
    future_error(future, &error);
    future_state(future);
    future_duration(future, &done, &total);
    future_progress(future, &done, &total);
}

static void use(pool_t *pool, uint64_t *seed, _Atomic uint64_t *calls) {
    static char args[100000];
    static future_t *window[WINDOW];
    for (int i = 0; i < TASKS + WINDOW; i++) {
        future_t **place = &window[i % WINDOW];
        if (*place) {
            if (random_below(seed, 8) == 0) future_cancel(*place, (int32_t)random_below(seed, 3));
            future_wait(*place, (int64_t)random_below(seed, 4));
            look_at(*place);
            future_free(*place);
            *place = NULL;
        }
        if (i >= TASKS) continue;
        pool_call_t call = POOL_CALL_INIT;
        call.task.pointer = echo;
        call.task.args = args;
        call.task.len = random_below(seed, 3) ? random_below(seed, 200) : random_below(seed, sizeof args);
        call.submit_timeout_ms = 20;
        call.on_done = !strstr(chosen, "callbacks") || random_below(seed, 4) ? NULL : count_call;
        call.user = (void *)calls;
        pool_submit_call(pool, &call, place);
        if (i % 100 == 0) {
            static char json[4096];
            pool_stats_t stats = POOL_STATS_INIT;
            pool_worker_info_t workers[WORKERS] = {{.struct_size = sizeof *workers}};
            size_t n;
            pool_stats(pool, &stats);
            pool_workers(pool, workers, WORKERS, &n);
            pool_info_json(pool, json, sizeof json, &n);
            pool_count_pending_tasks(pool);
            pool_cancel_pending(pool, NULL);
        }
    }
}

/* One round, in a process of its own. */
static int play(const pool_options_t *options, uint32_t vandal, uint64_t seed) {
    static _Atomic uint64_t calls;
    seed |= 1;
    pool_t *pool = new_pool(options, WORKERS), *other = new_pool(options, 1);
    struct order order = {next_random(&seed), vandal};
    future_t *future;
    CHECK_OK(pool_submit(pool, leave_a_vandal, &order, sizeof order, &future));
    CHECK_OK(future_wait(future, 10000));
    future_free(future);
    use(pool, &seed, &calls);
    /* A pool of its own is not affected. */
    for (uint64_t n = 0; n < 100; n++) {
        uint64_t squared;
        CHECK_OK(pool_run(other, square, &n, sizeof n, 10000, &squared, sizeof squared, NULL));
        CHECK_EQUAL(squared, n * n);
    }
    pool_shutdown(pool, random_below(&seed, 2) ? POOL_STOP_DRAIN : POOL_STOP_CANCEL, 100);
    pool_status_t ended = pool_shutdown(pool, POOL_STOP_KILL, 20000);
    CHECK_IS(ended == POOL_ERR_CLOSED ? POOL_OK : ended, POOL_OK); /* it may be over */
    pool_free(pool);
    pool_free(other);
    return leaves_nothing_behind();
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    if (getenv("VANDALS")) chosen = getenv("VANDALS");
    if (argc > 3) return play(&options, (uint32_t)atoi(argv[2]), strtoull(argv[3], NULL, 10));
    uint64_t first = endurance_seed(), seed = first, end = now_ns() + endurance_ns(1.5), failed = 0;
    for (; !endurance_is_over(end, "%" PRIu64 " rounds, %" PRIu64 " failed", seed - first, failed); seed++) {
        char number[32], vandal[8];
        int status;
        uint32_t index = (uint32_t)(seed % COUNT_OF(all_vandals));
        if (!strstr(chosen, all_vandals[index])) continue;
        snprintf(vandal, sizeof vandal, "%u", index);
        snprintf(number, sizeof number, "%" PRIu64, seed);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(HANG_S);
            execl("/proc/self/exe", argv[0], argv[1], vandal, number, (char *)NULL);
            _exit(127);
        }
        CHECK(waitpid(child, &status, 0) == child);
        if (status != 0) {
            fprintf(stderr, "%s %s %s %s (%s): status %#x\n", argv[0], argv[1], vandal, number, all_vandals[index],
                    (unsigned)status);
            failed++;
        }
    }
    printf("%" PRIu64 " rounds, %" PRIu64 " failed\n", seed - first, failed);
    CHECK_EQUAL(failed, 0);
    return leaves_nothing_behind();
}
