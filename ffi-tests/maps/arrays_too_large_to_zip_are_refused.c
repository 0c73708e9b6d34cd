/* pool_map_zip copies its arrays: if there is no memory for that it returns POOL_ERR_NOMEM, and the program goes on. */
#include "check.h"
#include <sys/mman.h>
#include <sys/resource.h>

enum { ITEMS = 8 };

/* The memory that counts for RLIMIT_DATA. */
static rlim_t data_now(void) {
    char line[256];
    unsigned long kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status)) (void)sscanf(line, "VmData: %lu", &kilobytes);
    fclose(status);
    return (rlim_t)kilobytes << 10;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    const size_t size = (size_t)4 << 30;
    struct rlimit before, limit;
    CHECK(getrlimit(RLIMIT_DATA, &before) == 0);
    limit = before;
    limit.rlim_cur = data_now() + ((rlim_t)1 << 30);
    if (limit.rlim_cur > before.rlim_cur) limit.rlim_cur = before.rlim_cur;
    void *items = mmap(NULL, ITEMS * size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (items == MAP_FAILED) return SKIPPED;
    CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
    const pool_array_t arrays[] = {{items, size, ITEMS}, {"12345678", 1, ITEMS}};
    size_t n = 1;
    CHECK_IS(pool_map_zip(pool, warm_up, arrays, 2, NULL, NULL, 0, NULL, &n), POOL_ERR_NOMEM);
    CHECK_EQUAL(n, 0);
    CHECK(setrlimit(RLIMIT_DATA, &before) == 0);
    CHECK_OK(pool_map_zip(pool, warm_up, arrays + 1, 1, NULL, NULL, 0, NULL, &n));
    CHECK_EQUAL(n, ITEMS);
    pool_free(pool);
    CHECK(munmap(items, ITEMS * size) == 0);
    return leaves_nothing_behind();
}
