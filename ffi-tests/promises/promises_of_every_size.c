/* A promise takes a value of any size, and gives back the same bytes, aligned like a result, for as
 * long as it is there; its memory goes with it. */
#include "sizes.h"

static size_t address_space(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%*s %lu", &pages) == 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void keep(size_t size) {
    future_t *promise;
    const void *data, *again;
    size_t len;
    char *bytes = (char *)malloc(size + 1);
    CHECK(bytes != NULL);
    fill(bytes, size);
    CHECK_OK(future_new_promise(&promise));
    CHECK_OK(future_resolve(promise, bytes, size));
    memset(bytes, 0xee, size);
    free(bytes); /* it has a copy */
    CHECK_OK(future_collect(promise, POOL_FOREVER, &data, &len));
    CHECK_EQUAL(len, size);
    CHECK(is_filled(data, size) && is_aligned(data, size));
    CHECK_OK(future_result(promise, &again, NULL));
    CHECK(again == data);
    future_free(promise);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_THREAD) return SKIPPED; /* They belong to no kind. */
    for (size_t i = 0; i < COUNT_OF(SIZES); i++) {
        if (SIZES[i] <= 64 * MIB) keep(SIZES[i]);
    }
    keep(100 * MIB);
    size_t before = address_space();
    for (int i = 0; i < 4; i++) keep(100 * MIB);
    CHECK(address_space() < before + 200 * MIB);
    return leaves_nothing_behind();
}
