/* no_new_privs holds in every thread of a worker: in the library's own, and in those that the initializer has
 * started. */
#include "processes.h"
#include <dirent.h>
#include <pthread.h>

enum { STARTED = WORD_FIRST };

static void *wait_forever(void *unused) {
    (void)unused;
    word_add(STARTED, 1);
    for (;;) pause();
    return NULL;
}

static int32_t start_thread(pool_task_t *task) {
    pthread_t thread;
    (void)task;
    CHECK(pthread_create(&thread, NULL, wait_forever, NULL) == 0);
    CHECK(pthread_detach(thread) == 0);
    word_wait(STARTED, 1);
    return 0;
}

/* Result: how many threads there are, and how many of them can gain privileges. */
static int32_t count_threads(pool_task_t *task) {
    uint32_t counts[2] = {0, 0};
    DIR *threads = opendir("/proc/self/task");
    CHECK(threads != NULL);
    for (struct dirent *thread = readdir(threads); thread; thread = readdir(threads)) {
        char path[512], line[512];
        int holds = 0;
        if (thread->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", thread->d_name);
        FILE *file = fopen(path, "r");
        CHECK(file != NULL);
        while (fgets(line, sizeof line, file)) holds |= strncmp(line, "NoNewPrivs:\t1", 13) == 0;
        fclose(file);
        counts[0]++;
        counts[1] += !holds;
    }
    closedir(threads);
    return pool_task_return(task, counts, sizeof counts);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) exit(SKIPPED);
    options.no_new_privs = true;
    options.initializer.pointer = start_thread;
    pool_t *pool = new_pool(&options, 1);
    uint32_t counts[2];
    CHECK_OK(pool_run(pool, count_threads, NULL, 0, POOL_FOREVER, counts, sizeof counts, NULL));
    CHECK(counts[0] >= 3);
    CHECK_EQUAL(counts[1], 0);
    pool_free(pool);
    return leaves_nothing_behind();
}
