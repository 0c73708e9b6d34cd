/* A task runs to its end although its future was dropped, and its memory is reused. */
#include "rendezvous.h"
#include <sys/stat.h>

enum { BATCH = 1000, WARM = 20, BATCHES = 100, RAN = WORD_FIRST };

/* Leaves some bytes that nobody will collect. */
static int32_t count_and_return(pool_task_t *task) {
    void *room = pool_task_result(task, 2000);
    CHECK(room != NULL);
    memset(room, 1, 2000);
    word_add(RAN, 1);
    return 0;
}

static long resident_kib(void) {
    long size, pages;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%ld %ld", &size, &pages) == 2);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE) / 1024;
}

/* Memory shared with workers, also the pages that only they have touched. */
static long shared_kib(void) {
    long kib = 0;
    for (int descriptor = 3; descriptor < 1024; descriptor++) {
        char path[64], target[4096];
        struct stat facts;
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = 0;
        if (strstr(target, "memfd:") && fstat(descriptor, &facts) == 0) kib += facts.st_blocks / 2;
    }
    return kib;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    long warm = 0;
    char args[300] = "";
    for (uint32_t batch = 1; batch <= BATCHES; batch++) {
        for (int i = 0; i < BATCH; i++) {
            future_t *future;
            int wanted = i % 2;
            CHECK_OK(pool_submit(pool, count_and_return, args, sizeof args, wanted ? &future : NULL));
            if (wanted) future_free(future);
        }
        word_wait(RAN, batch * BATCH);
        if (batch == WARM) warm = resident_kib() + shared_kib();
    }
    long memory = resident_kib() + shared_kib();
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_EQUAL(word_get(RAN), BATCH * BATCHES);
    long grown = memory - warm;
    printf("%ld KiB warm, %ld more at the end\n", warm, grown);
    // How many tasks wait at once differs from batch to batch, and each takes a block for its result.
    // A result that nobody freed would leave 1.6 KiB for each task, more than a hundred MiB in all.
    CHECK(grown < 16 * 1024);
    pool_free(pool);
    return leaves_nothing_behind();
}
