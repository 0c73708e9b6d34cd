/* The same function for every item of an array, and the results in another one: a map. Meanwhile a
 * progress bar grows on stderr.
 *
 * Prints:
 *     below 1000000 the longest way to 1 begins at 837799: 524 steps
 */
#include <carpool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 200, SPAN = 5000 };

struct way {
    uint32_t from, steps;
};

static void must(pool_status_t status) {
    if (status == POOL_OK) return;
    fprintf(stderr, "%s\n", pool_status_string(status));
    exit(1);
}

/* From an even number to its half, from an odd one to 3 * n + 1, until 1 is reached. */
static uint32_t steps_to_1(uint64_t n) {
    uint32_t steps = 0;
    for (; n > 1; steps++) n = n % 2 ? 3 * n + 1 : n / 2;
    return steps;
}

/* An item: where to start. Its result: the longest way from one of the next SPAN numbers. */
static int32_t longest_way(pool_task_t *task) {
    const uint32_t *start = pool_task_args(task, NULL);
    struct way longest = {0};
    for (uint32_t n = *start; n < *start + SPAN; n++) {
        uint32_t steps = steps_to_1(n);
        if (steps > longest.steps) longest = (struct way){n, steps};
    }
    return pool_task_return(task, &longest, sizeof longest);
}

/* Called by the thread that waits in pool_map, as items get done. */
static void show_progress(uint64_t done, uint64_t total, void *user) {
    (void)user;
    int of_20 = (int)(20 * done / total);
    fprintf(stderr, "\r[%-20.*s] %llu of %llu%s", of_20, "####################",
            (unsigned long long)done, (unsigned long long)total, done < total ? "" : "\n");
}

int main(int argc, char **argv) {
    pool_options_t options = POOL_OPTIONS_INIT;
    if (argc > 1 && strcmp(argv[1], "--threads") == 0) options.kind = POOL_THREAD;
    pool_t *pool;
    must(pool_new(&options, &pool, NULL));

    uint32_t starts[ITEMS];
    for (uint32_t i = 0; i < ITEMS; i++) starts[i] = i * SPAN;
    struct way ways[ITEMS];
    pool_map_options_t how = POOL_MAP_INIT;
    how.on_progress = show_progress;
    must(pool_map(pool, longest_way, starts, sizeof *starts, ITEMS, &how, ways, sizeof *ways,
                  NULL));

    struct way longest = ways[0];
    for (int i = 1; i < ITEMS; i++) {
        if (ways[i].steps > longest.steps) longest = ways[i];
    }
    printf("below %d the longest way to 1 begins at %u: %u steps\n", ITEMS * SPAN, longest.from,
           longest.steps);
    pool_free(pool);
}
