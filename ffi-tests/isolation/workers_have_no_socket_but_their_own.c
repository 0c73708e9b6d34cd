/* A worker process has one socket, its own control socket: none of other workers or other pools, and not
 * that of the process that it was forked from. The socket has no name to connect to. */
#include "lifecycle.h"

/* Result: how many sockets its process has, under whatever numbers. */
static int32_t count_sockets(pool_task_t *task) {
    int n = 0;
    char known[64] = {0};
    for (int descriptor = 0; descriptor < 1024; descriptor++) {
        char path[64], target[64] = {0};
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length < 0 || strncmp(target, "socket:", 7) != 0 || strcmp(target, known) == 0) continue;
        memcpy(known, target, sizeof known);
        n++;
    }
    return pool_task_return(task, &n, sizeof n);
}

static int sockets_in_a_worker(pool_t *pool) {
    int n;
    CHECK_OK(pool_run(pool, count_sockets, NULL, 0, POOL_FOREVER, &n, sizeof n, NULL));
    return n;
}

/* Unix sockets with a name: paths, and abstract ones. */
static int named_sockets(void) {
    int n = 0;
    char line[512];
    FILE *file = fopen("/proc/net/unix", "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file)) n += strstr(line, "carpool") != NULL;
    fclose(file);
    return n;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    future_t *futures[2];
    pool_t *before = new_pool(&options, 2);
    occupy(before, 0, 2, futures);
    pool_t *pool = new_pool(&options, 1);
    CHECK_EQUAL(sockets_in_a_worker(pool), 1);
    release(0);
    wait_and_free(futures, 2);
    CHECK_EQUAL(sockets_in_a_worker(before), 1);
    CHECK_EQUAL(named_sockets(), 0);
    pool_free(pool);
    pool_free(before);
    return leaves_nothing_behind();
}
