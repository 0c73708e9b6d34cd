/* When a program is killed while its first worker or its fork server still opens modules, that process ends,
 * too. */
#include "forkserver.h"
#include <sys/wait.h>

enum { OPENING = WORD_FIRST, CHILD = WORD_FIRST + 1 };

static void begin_and_die(const pool_options_t *options, char *slow) {
    const char *const modules[] = {slow, NULL};
    pool_options_t with = *options;
    with.modules = modules;
    with.min_workers = 1;
    new_pool(&with, 1);
    word_wait(OPENING, 1);
    /* The only child: a worker or a forkserver. */
    DIR *threads = opendir("/proc/self/task");
    CHECK(threads != NULL);
    for (struct dirent *thread = readdir(threads); thread; thread = readdir(threads)) {
        char path[512];
        int pid;
        snprintf(path, sizeof path, "/proc/self/task/%s/children", thread->d_name);
        FILE *file = thread->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (!file) continue;
        if (fscanf(file, "%d", &pid) == 1) word_set(CHILD, (uint32_t)pid);
        fclose(file);
    }
    kill(getpid(), SIGKILL);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    char *slow = library_path("slow");
    pid_t host = fork();
    CHECK(host >= 0);
    if (host == 0) {
        begin_and_die(&options, slow);
        _exit(1);
    }
    int status;
    CHECK(waitpid(host, &status, 0) == host);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    pid_t child = (pid_t)word_get(CHILD);
    CHECK(child > 0);
    while (!is_dead(child)) pause_briefly();
    free(slow);
    return leaves_nothing_behind();
}
