/* A module that is no library, is cut off, or is for another machine, breaks the pool, which names it and says what is
 * wrong; nothing crashes or hangs. */
#include "rendezvous.h"

enum { HEADER = 64, MACHINE = 18 };

/* Writes a file from the beginning of a library, or of a text. */
static void write_module(const char *path, const char *bytes, size_t len) {
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
}

static void break_by(const pool_options_t *options, const char *path) {
    const char *const modules[] = {path, NULL};
    pool_options_t chosen = *options;
    pool_error_t error;
    future_t *future = NULL;
    chosen.modules = modules;
    pool_t *pool = new_pool(&chosen, 1);
    if (pool_submit(pool, warm_up, NULL, 0, &future) == POOL_OK) {
        CHECK_OK(future_wait(future, POOL_FOREVER));
        CHECK(future_state(future) != FUTURE_COMPLETED);
        future_free(future);
    }
    while (!(pool_state(pool) & POOL_STATE_BROKEN)) pause_briefly();
    CHECK_IS(pool_check(pool, &error), POOL_ERR_BROKEN);
    printf("%s\n", error.message);
    CHECK(strstr(error.message, path) != NULL);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER));
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    static char bytes[1 << 16];
    char path[1024], *plugin = library_path("plugin");
    FILE *file = fopen(plugin, "r");
    CHECK(file != NULL);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    CHECK(len > HEADER);

    snprintf(path, sizeof path, "%s/empty.so", getenv("TEST_TMP"));
    write_module(path, bytes, 0);
    break_by(&options, path);
    snprintf(path, sizeof path, "%s/text.so", getenv("TEST_TMP"));
    write_module(path, "int main(void) {}\n", 18);
    break_by(&options, path);
    snprintf(path, sizeof path, "%s/short.so", getenv("TEST_TMP"));
    write_module(path, bytes, HEADER);
    break_by(&options, path);
    snprintf(path, sizeof path, "%s/foreign.so", getenv("TEST_TMP"));
    bytes[MACHINE] ^= 0x55;
    write_module(path, bytes, len);
    break_by(&options, path);
    free(plugin);
    return leaves_nothing_behind();
}
