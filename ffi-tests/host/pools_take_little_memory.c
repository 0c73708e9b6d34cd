/* A pool without workers takes kilobytes, and so does the program's part of a pool of one worker, whatever it could
 * hold: addresses are not memory. */
#include "check.h"

enum { POOLS = 16, TASKS = 10, KIB_MAX = 256 };

/* Of memory, and of the tables of the addresses. */
static long kib_in_use(void) {
    char line[256];
    long kib = 0, of_line;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status)) {
        if (sscanf(line, "VmRSS: %ld", &of_line) == 1 || sscanf(line, "VmPTE: %ld", &of_line) == 1) kib += of_line;
    }
    fclose(status);
    return kib;
}

static void run_tasks(pool_t *pool) {
    for (int i = 0; i < TASKS; i++) CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pools[POOLS];
    long before = kib_in_use();
    for (int i = 0; i < POOLS; i++) {
        pools[i] = new_pool(&options, 1);
        run_tasks(pools[i]);
    }
    long each = (kib_in_use() - before) / POOLS;
    printf("%ld KiB each\n", each);
    CHECK(each < KIB_MAX);
    for (int i = 0; i < POOLS; i++) pool_free(pools[i]);
    return leaves_nothing_behind();
}
