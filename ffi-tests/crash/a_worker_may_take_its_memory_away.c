/* A worker that takes away the memory that it shares with the program, or tries to make it shorter, harms itself alone:
 * what it unmaps or protects is its own view, the file cannot be shortened, and holes in it are read as zeros. The program
 * neither crashes nor hangs, all tasks have ended when the pool was killed, and a new pool works. */
#include "processes.h"
#include <fcntl.h>

enum { UNMAP, PROTECT, PUNCH, SHORTEN, WAYS, WORKERS = 2, TASKS = 20, SHORTENED = WORD_FIRST };

static const char *const names[] = {"unmap", "protect", "punch", "shorten"};

static void harm(int way, char *start, size_t len) {
    char path[128];
    if (way == UNMAP) munmap(start, len);
    if (way == PROTECT) mprotect(start, len, PROT_NONE);
    if (way == PUNCH) madvise(start, len, MADV_REMOVE);
    if (way != SHORTEN) return;
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (unsigned long)start, (unsigned long)(start + len));
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return; /* not root */
    if (ftruncate(file, 0) == 0 || ftruncate(file, 1 << 30) == 0) word_set(SHORTENED, 1);
    close(file);
}

/* Arguments: the way. Does it to all memory that is shared with the program. */
static int32_t harm_all(pool_task_t *task) {
    static struct { char *start; size_t len; } found[64];
    uint32_t way;
    char line[4096 + 128];
    size_t n = 0;
    memcpy(&way, pool_task_args(task, NULL), sizeof way);
    word_get(SHORTENED);
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && n < COUNT_OF(found) && fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        if (!strstr(line, "memfd:") || sscanf(line, "%lx-%lx", &start, &end) != 2) continue;
        found[n].start = (char *)start;
        found[n++].len = end - start;
    }
    if (maps) fclose(maps);
    for (size_t i = 0; i < n; i++) harm((int)way, found[i].start, found[i].len);
    return n == 0;
}

static void harm_pool(const pool_options_t *options, uint32_t way) {
    printf("%s\n", names[way]);
    pool_t *pool = new_pool(options, WORKERS);
    future_t *futures[TASKS], *harmful;
    int64_t pid = pid_of_any_worker(pool);
    CHECK(pid > 0);
    CHECK_OK(pool_submit(pool, harm_all, &way, sizeof way, &harmful));
    for (uint64_t i = 0; i < TASKS; i++) {
        pool_status_t status = pool_submit(pool, square, &i, sizeof i, &futures[i]);
        if (way != PUNCH) CHECK_OK(status);
        if (status != POOL_OK) futures[i] = NULL;
    }
    /* Only a hole reaches others, and may take any task. */
    for (uint64_t i = 0; i < TASKS && way != PUNCH; i++) CHECK_EQUAL(collect_number(futures[i]), i * i);
    if (way != PUNCH) CHECK_OK(future_wait(harmful, POOL_FOREVER));
    if (way == UNMAP || way == PROTECT) CHECK_EQUAL(check_lost(harmful).signal, SIGSEGV);
    if (way == SHORTEN) CHECK_OK(future_result(harmful, &(const void *){NULL}, NULL));
    CHECK_EQUAL(word_get(SHORTENED), 0);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER));
    for (int i = 0; i < TASKS; i++) CHECK(!futures[i] || future_is_done(futures[i]));
    CHECK(future_is_done(harmful));
    future_free_many(futures, TASKS);
    future_free(harmful);
    pool_free(pool);
    pool = new_pool(options, 1);
    CHECK(pid_of_any_worker(pool) > 0);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    word_set(SHORTENED, 0);
    for (uint32_t way = 0; way < WAYS; way++) harm_pool(&options, way);
    return leaves_nothing_behind();
}
