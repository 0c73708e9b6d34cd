/* A program that knows nothing of carpool. It opens a plugin that uses it, lets the plugin run functions of both
 * in workers, closes it, and does so again: host PLUGIN KIND RESULT, where RESULT is what the program's own
 * function returns in a worker. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct pool_task_t pool_task_t;

static int main_has_run;

/* 1 in a thread of the program, 2 in a process that has its functions. */
static int32_t answer(pool_task_t *task) {
    (void)task;
    return main_has_run ? 1 : 2;
}

int main(int argc, char **argv) {
    main_has_run = 1;
    for (int round = 1; argc == 4 && round <= 2; round++) {
        void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (plugin == NULL) {
            puts(dlerror());
            return 1;
        }
        void *symbols[] = {dlsym(plugin, "plugin_increment"), dlsym(plugin, "plugin_answer")};
        int (*plugin_increment)(int number, const char *kind) = NULL;
        int (*plugin_answer)(int32_t (*function)(pool_task_t *task), const char *kind) = NULL;
        memcpy(&plugin_increment, &symbols[0], sizeof plugin_increment);
        memcpy(&plugin_answer, &symbols[1], sizeof plugin_answer);
        int incremented = plugin_increment(round, argv[2]);
        int answered = plugin_answer(answer, argv[2]);
        if (incremented != round + 1 || answered != atoi(argv[3])) {
            printf("round %d: the plugin's function answers %d, the program's %d\n", round, incremented, answered);
            return 1;
        }
        dlclose(plugin);
    }
    return argc == 4 ? 0 : 2;
}
