/* The tasks of the model-based test, and the table in which they record that they ran.
 *
 * The table is a file that the player and all workers map. So the player knows how often a task ran, and in
 * which process, whatever the library says about it. */
#ifndef TASKS_H
#define TASKS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <carpool.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { RECORDS = 4096, GATES = 4, PROGRESS_TOTAL = 100000 };

/* What a task does. */
enum task_kind { QUICK, FAILS, DIES, DIES_ONCE, EXITS, GATED, ASKED, LONG, TASK_KINDS };

struct task_args {
    uint64_t serial;
    uint32_t kind;
    uint32_t gate;
    /* Bytes of the result; what follows the struct is padding of the arguments. */
    uint64_t result_len;
};

struct task_result {
    uint64_t serial, id;
    int64_t pid;
};

struct task_row {
    _Atomic uint32_t runs;
    _Atomic uint32_t ended;
    /* The process that ran it first, and the one that did last. */
    _Atomic int64_t first_pid, last_pid;
};

struct table {
    _Atomic uint32_t open[GATES];
    struct task_row rows[RECORDS];
};

#define TABLE_VARIABLE "CARPOOL_MODEL_TABLE"

static inline struct table *map_table(int file) {
    void *start = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return start == MAP_FAILED ? NULL : start;
}

/* Threads share one mapping; a process that is forked inherits it. */
static inline struct table *the_table(void) {
    static struct table *_Atomic known;
    struct table *table = atomic_load(&known);
    if (table) return table;
    const char *path = getenv(TABLE_VARIABLE);
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return NULL;
    table = map_table(file);
    close(file);
    struct table *none = NULL;
    if (table && !atomic_compare_exchange_strong(&known, &none, table)) {
        munmap(table, sizeof *table);
        table = none;
    }
    return table;
}

static inline void sleep_us(long us) {
    struct timespec pause = {0, us * 1000};
    nanosleep(&pause, NULL);
}

/* The byte at this place of a task's result. */
static inline unsigned char pattern(uint64_t serial, size_t at) {
    return (unsigned char)(serial * 31 + at * 7 + 1);
}

static inline int32_t fail_code(uint64_t serial) {
    return (int32_t)(serial % 1000) + 1;
}

static int32_t run_model_task(pool_task_t *task) {
    size_t len;
    struct task_args args;
    const void *bytes = pool_task_args(task, &len);
    struct table *table = the_table();
    if (len < sizeof args || !table) return pool_task_fail(task, -1, "no arguments or no table");
    memcpy(&args, bytes, sizeof args);
    struct task_row *row = &table->rows[args.serial % RECORDS];
    int64_t none = 0, pid = getpid();
    uint32_t run = atomic_fetch_add(&row->runs, 1) + 1;
    atomic_compare_exchange_strong(&row->first_pid, &none, pid);
    atomic_store(&row->last_pid, pid);
    pool_task_progress(task, args.serial, PROGRESS_TOTAL);
    switch (args.kind) {
    case FAILS: return pool_task_fail(task, fail_code(args.serial), "on purpose");
    case DIES: raise(SIGKILL); break;
    case DIES_ONCE: if (run == 1) raise(SIGKILL); break;
    case EXITS: _exit(3);
    case GATED:
        while (!atomic_load(&table->open[args.gate % GATES])) sleep_us(50);
        break;
    case ASKED:
        while (!pool_task_cancelled(task) && !atomic_load(&table->open[args.gate % GATES])) sleep_us(50);
        break;
    case LONG: sleep_us(300); break;
    }
    struct task_result result = {args.serial, pool_task_id(task), pid};
    size_t size = sizeof result + args.result_len;
    unsigned char *to = pool_task_result(task, size);
    if (!to) return ENOMEM;
    memcpy(to, &result, sizeof result);
    for (size_t at = 0; at < args.result_len; at++) to[sizeof result + at] = pattern(args.serial, at);
    atomic_fetch_add(&row->ended, 1);
    return 0;
}

/* For maps: item and result are a number. A worker dies of items that end in 13, if it is a process of its own.
 * Some take long enough for others to happen meanwhile. */
static int32_t run_model_item(pool_task_t *task) {
    uint64_t item;
    size_t len;
    const void *bytes = pool_task_args(task, &len);
    if (len != sizeof item) return pool_task_fail(task, -1, "not an item");
    memcpy(&item, bytes, sizeof item);
    if (item % 100 == 77) return pool_task_fail(task, 77, "on purpose");
    if (item % 100 == 13 && item >= 1000000) raise(SIGKILL);
    if (item % 8 == 3) sleep_us(100);
    item = item * 3 + 1;
    return pool_task_return(task, &item, sizeof item);
}

#endif
