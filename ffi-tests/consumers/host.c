/* A program that opens a plugin, uses it, closes it, and does so again: host PLUGIN KIND */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    for (int round = 1; argc == 3 && round <= 2; round++) {
        void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (plugin == NULL) {
            puts(dlerror());
            return 1;
        }
        void *symbol = dlsym(plugin, "plugin_increment");
        int (*increment)(int, const char *) = NULL;
        memcpy(&increment, &symbol, sizeof increment);
        if (increment(round, argv[2]) != round + 1) {
            printf("round %d failed\n", round);
            return 1;
        }
        dlclose(plugin);
    }
    return argc == 3 ? 0 : 2;
}
