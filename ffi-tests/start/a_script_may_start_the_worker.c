/* worker_executable may be a script that executes the program; its interpreter opens it by its path. */
#include "rendezvous.h"
#include <sys/stat.h>

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS || options.start == POOL_FORK) return SKIPPED;
    char *path, *program = realpath("/proc/self/exe", NULL);
    uint64_t n = 7;
    CHECK(asprintf(&path, "%s/script", getenv("TEST_TMP")) > 0);
    FILE *script = fopen(path, "w");
    CHECK(script && fprintf(script, "#!/bin/sh\nexec '%s' \"$@\"\n", program) > 0 && fclose(script) == 0);
    CHECK(chmod(path, 0755) == 0);
    options.worker_executable = path;
    pool_t *pool = new_pool(&options, 2);
    for (int i = 0; i < 4; i++) {
        CHECK_OK(pool_run(pool, square, &n, sizeof n, POOL_FOREVER, &n, sizeof n, NULL));
        n = i + 7;
    }
    CHECK_OK(pool_restart(pool, POOL_RESTART_GRACEFUL));
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    pool_free(pool);
    free(program);
    free(path);
    return leaves_nothing_behind();
}
