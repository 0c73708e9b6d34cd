/* The processes that workers are forked from. */
#ifndef TEMPLATES_H
#define TEMPLATES_H

#include "life.h"
#include "deaths.h"

static inline int is_template(pid_t pid) {
    char path[64], name[64] = {0};
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    char *end = fgets(name, sizeof name, file) ? strchr(name, '\n') : NULL;
    fclose(file);
    return end && end - name >= 9 && strncmp(end - 9, "/template", 9) == 0;
}

/* The last one that this process has, or 0; and how many there are. */
static inline pid_t template_and_count(int *count) {
    pid_t found = 0;
    *count = 0;
    DIR *threads = opendir("/proc/self/task");
    CHECK(threads != NULL);
    for (struct dirent *thread = readdir(threads); thread; thread = readdir(threads)) {
        char path[512];
        int pid;
        snprintf(path, sizeof path, "/proc/self/task/%s/children", thread->d_name);
        FILE *file = thread->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (!file) continue;
        while (fscanf(file, "%d", &pid) == 1) {
            if (!is_template(pid) || is_dead(pid)) continue;
            found = pid;
            ++*count;
        }
        fclose(file);
    }
    closedir(threads);
    return found;
}

static inline pid_t template_now(void) {
    int count;
    return template_and_count(&count);
}

static inline int count_templates(void) {
    int count;
    template_and_count(&count);
    return count;
}

static inline pid_t template_of(pool_t *pool) {
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    pid_t pid = template_now();
    CHECK(pid > 0);
    return pid;
}

/* Kills it, and waits until the pool has noticed. */
static inline void kill_template(pid_t pid) {
    kill(pid, SIGKILL);
    while (state_of(pid) != 0) look_again_soon();
}

#endif
