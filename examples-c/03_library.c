/* Functions in a shared library of one's own, submitted by pointer, and by the names of library and
 * function, which need not even be open here: the workers open it.
 *
 * Prints:
 *     FOUR WORKERS IN ONE CAR
 *     5 words
 */
#define _GNU_SOURCE
#include <carpool.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int32_t upper_case(pool_task_t *task); /* In 03_library_functions.c. */

static void must(pool_status_t status) {
    if (status == POOL_OK) return;
    fprintf(stderr, "%s\n", pool_status_string(status));
    exit(1);
}

/* The path of a file in this program's folder. One that the dynamic loader finds by its name alone,
 * because it is installed, needs no path. */
static void beside_program(const char *name, char *path, size_t size) {
    char program[PATH_MAX];
    if (!realpath("/proc/self/exe", program)) exit(1);
    snprintf(path, size, "%s/%s", dirname(program), name);
}

int main(int argc, char **argv) {
    pool_options_t options = POOL_OPTIONS_INIT;
    if (argc > 1 && strcmp(argv[1], "--threads") == 0) options.kind = POOL_THREAD;
    pool_t *pool;
    must(pool_new(&options, &pool, NULL));
    const char text[] = "four workers in one car";
    char library[PATH_MAX + 64];
    beside_program("lib03_library_functions.so", library, sizeof library);

    future_t *capitals, *words;
    must(pool_submit(pool, upper_case, text, sizeof text, &capitals));
    must(pool_submit_symbol(pool, library, "count_words", text, sizeof text, &words));

    const void *result;
    must(future_collect(capitals, POOL_FOREVER, &result, NULL));
    puts(result);
    must(future_collect(words, POOL_FOREVER, &result, NULL));
    printf("%llu words\n", (unsigned long long)*(const uint64_t *)result);
    future_free(capitals);
    future_free(words);
    pool_free(pool);
}
