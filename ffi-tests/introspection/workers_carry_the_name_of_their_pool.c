/* The name of a worker's thread is its pool's name and its index, cut to what the system keeps; a worker
 * process has it also in its command line, in full; a copy of the caller keeps the caller's command line. A
 * thread that only submits keeps its name. */
#include "rendezvous.h"
#include <sys/prctl.h>

enum { ROOM = 64 };

struct names {
    char thread[16], command[ROOM];
};

static int32_t tell_names(pool_task_t *task) {
    struct names names = {{0}, {0}};
    prctl(PR_GET_NAME, names.thread);
    FILE *file = fopen("/proc/self/cmdline", "r");
    CHECK(file != NULL);
    CHECK(fread(names.command, 1, ROOM - 1, file) > 0);
    fclose(file);
    return pool_task_return(task, &names, sizeof names);
}

static void is_called(pool_options_t options, const char *name, const char *expected) {
    char before[16] = {0}, after[16] = {0}, cut[16];
    struct names names;
    options.name = name;
    pool_t *pool = new_pool(&options, 1);
    prctl(PR_GET_NAME, before);
    CHECK_OK(pool_run(pool, tell_names, NULL, 0, POOL_FOREVER, &names, sizeof names, NULL));
    prctl(PR_GET_NAME, after);
    CHECK(strcmp(before, after) == 0);
    snprintf(cut, sizeof cut, "%.15s", options.kind == POOL_INLINE ? before : expected);
    CHECK(strcmp(names.thread, cut) == 0);
    if (options.kind == POOL_PROCESS && options.start != POOL_FORK) {
        CHECK(strcmp(names.command, expected) == 0);
    }
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    is_called(options, NULL, "pool/0");
    is_called(options, "", "/0");
    is_called(options, "short", "short/0");
    is_called(options, "thirteen byte", "thirteen byte/0");
    is_called(options, "a name that is far too long", "a name that is far too long/0");
    return leaves_nothing_behind();
}
