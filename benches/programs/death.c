/* How long after a worker's death does the caller know? And how long after its own death are its workers gone?
 *
 *     death process|forkserver|fork DEATHS PROGRAMS
 *
 * A task notes the time, and kills its worker: once in an idle pool of two workers, once in a pool that has more
 * to do than it can. Then a program is killed, whose two workers run tasks. */
#include "bench.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>

enum { WORKERS = 2, BUSY_TASKS = 40, BUSY_NS = 1000000, PROCESSES_MAX = 16 };

/* In a file, as a spawned worker shares no other memory with the program. */
struct notes {
    uint64_t died_ns;
};

static char path[64];
static struct notes *notes;

static struct notes *open_notes(const char *file, int flags) {
    int descriptor = open(file, O_RDWR | flags, 0600);
    CHECK(descriptor >= 0 && ftruncate(descriptor, sizeof(struct notes)) == 0);
    struct notes *found = mmap(NULL, sizeof *found, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    CHECK(found != MAP_FAILED);
    close(descriptor);
    return found;
}

/* Arguments: the path of the notes. */
static int32_t die_now(pool_task_t *task) {
    struct notes *shared = open_notes(pool_task_args(task, NULL), 0);
    shared->died_ns = now_ns();
    raise(SIGKILL);
    return 0;
}

static int32_t be_busy(pool_task_t *task) {
    (void)task;
    for (uint64_t begin_ns = now_ns(); now_ns() - begin_ns < BUSY_NS;) relax();
    return 0;
}

static int32_t run_forever(pool_task_t *task) {
    (void)task;
    for (;;) pause();
    return 0;
}

static uint64_t death(pool_t *pool, int around) {
    future_t *future;
    for (int i = 0; i < around; i++) CHECK_OK(pool_submit(pool, be_busy, NULL, 0, NULL));
    CHECK_OK(pool_submit(pool, die_now, path, strlen(path) + 1, &future));
    for (int i = 0; i < around; i++) CHECK_OK(pool_submit(pool, be_busy, NULL, 0, NULL));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    uint64_t took_ns = now_ns() - notes->died_ns;
    pool_error_t error;
    CHECK_OK(future_error(future, &error));
    CHECK(error.status == POOL_ERR_WORKER_LOST);
    future_free(future);
    return took_ns;
}

/* ---- the program's own death ----------------------------------------------------------------- */

struct family {
    pid_t program;
    struct pollfd left[PROCESSES_MAX];
    nfds_t count;
};

static void add_to_family(pid_t pid, void *user) {
    struct family *family = user;
    if (pid == family->program) return;
    CHECK(family->count < PROCESSES_MAX);
    int descriptor = (int)syscall(SYS_pidfd_open, pid, 0);
    if (descriptor >= 0) family->left[family->count++] = (struct pollfd){.fd = descriptor, .events = POLLIN};
}

static void be_a_program(const char *how, int ready) {
    pool_t *pool = new_pool(how, WORKERS);
    start_workers(pool, WORKERS);
    for (int i = 0; i < WORKERS; i++) CHECK_OK(pool_submit(pool, run_forever, NULL, 0, NULL));
    while (pool_count_busy_workers(pool) < WORKERS) relax();
    CHECK(write(ready, "", 1) == 1);
    for (;;) pause();
}

static uint64_t death_of_program(const char *how) {
    int ready[2];
    char byte;
    CHECK(pipe(ready) == 0);
    struct family family = {.program = fork_peer()};
    if (family.program == 0) be_a_program(how, ready[1]);
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
    each_child(add_to_family, &family);
    CHECK(family.count >= WORKERS);
    uint64_t begin_ns = now_ns();
    CHECK(kill(family.program, SIGKILL) == 0);
    for (nfds_t i = 0; i < family.count; i++) {
        CHECK(poll(&family.left[i], 1, 10000) == 1);
        close(family.left[i].fd);
    }
    uint64_t took_ns = now_ns() - begin_ns;
    while (waitpid(-1, NULL, 0) > 0) continue;
    return took_ns;
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: %s process|forkserver|fork DEATHS PROGRAMS", argv[0]);
    uint64_t deaths = number(argv[2]), programs = number(argv[3]);
    uint64_t *idle_ns = new_touched(deaths * sizeof *idle_ns), *busy_ns = new_touched(deaths * sizeof *busy_ns);
    uint64_t *orphans_ns = new_touched(programs * sizeof *orphans_ns);
    for (uint64_t i = 0; i < programs; i++) orphans_ns[i] = death_of_program(argv[1]);

    snprintf(path, sizeof path, "/dev/shm/carpool-death-%d", (int)getpid());
    notes = open_notes(path, O_CREAT | O_EXCL);
    pool_t *pool = new_pool(argv[1], WORKERS);
    for (uint64_t i = 0; i < deaths; i++) {
        start_workers(pool, WORKERS);
        idle_ns[i] = death(pool, 0);
    }
    for (uint64_t i = 0; i < deaths; i++) {
        busy_ns[i] = death(pool, BUSY_TASKS);
        CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
    }
    pool_free(pool);
    unlink(path);
    printf("{\"idle_p50_ns\": %" PRIu64 ", \"idle_p99_ns\": %" PRIu64 ", \"busy_p50_ns\": %" PRIu64
           ", \"busy_p99_ns\": %" PRIu64 ", \"orphans_max_ns\": %" PRIu64 "}\n",
           percentile(idle_ns, deaths, 50), percentile(idle_ns, deaths, 99), percentile(busy_ns, deaths, 50),
           percentile(busy_ns, deaths, 99), percentile(orphans_ns, programs, 100));
    return 0;
}
