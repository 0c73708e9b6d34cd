/* isolate: decodes PNG files that nobody trusts, each as a task of a sandboxed worker process.
 *
 *     isolate FILE...
 *
 * Prints a line for each file: its size and mean brightness, or what came of it instead. Whatever a
 * file makes the decoder do costs that file only. Exit code: 0 if all were decoded, else 1.
 *
 * A file that begins with "HOLE " plays an attack on a decoder with a hole; see `run_hole`. */
#include <carpool.h>
#include <png.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- in the worker, which can compute and nothing else ----------------------------------------- */

static volatile int endless = 1;

static int deeper(volatile char *caller) {
    volatile char frame[4096] = {caller ? caller[0] : 0};
    return endless ? deeper(frame) + frame[1] : 0;
}

/* What an attacker might do who has taken the decoder over. */
static int32_t run_hole(pool_task_t *task, const char *attack) {
    if (strcmp(attack, "abort") == 0) abort();
    if (strcmp(attack, "null") == 0) *(volatile char *)NULL = 1;
    if (strcmp(attack, "stack") == 0) return deeper(NULL);
    if (strcmp(attack, "exit") == 0) exit(7);
    if (strcmp(attack, "deaf") == 0) signal(SIGTERM, SIG_IGN);
    while (strcmp(attack, "loop") == 0 || strcmp(attack, "deaf") == 0) endless = 1;
    while (strcmp(attack, "memory") == 0) {
        char *memory = malloc(1 << 20);
        if (!memory) return pool_task_fail(task, 1, "no memory left");
        memset(memory, 1, 1 << 20);
    }
    if (strcmp(attack, "fork") == 0 && fork() == -1) return pool_task_fail(task, 1, "fork is denied");
    if (strcmp(attack, "read") == 0 && !fopen("/etc/passwd", "r")) return pool_task_fail(task, 1, "open is denied");
    return pool_task_fail(task, 1, "the attack has succeeded");
}

static int32_t decode(pool_task_t *task) {
    size_t len;
    const char *file = pool_task_args(task, &len);
    if (len > 5 && memcmp(file, "HOLE ", 5) == 0) return run_hole(task, file + 5);
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&image, file, len)) return pool_task_fail(task, 1, image.message);
    image.format = PNG_FORMAT_GRAY;
    size_t pixels = PNG_IMAGE_SIZE(image);
    unsigned char *gray = malloc(pixels);
    if (!gray) return pool_task_fail(task, 1, "too large");
    if (!png_image_finish_read(&image, NULL, gray, 0, NULL)) return pool_task_fail(task, 1, image.message);
    double sum = 0;
    for (size_t i = 0; i < pixels; i++) sum += gray[i];
    free(gray);
    char line[80];
    snprintf(line, sizeof line, "%ux%u, brightness %.0f", image.width, image.height, sum / (double)pixels);
    return pool_task_return(task, line, strlen(line) + 1);
}

/* ---- in the program --------------------------------------------------------------------------- */

static void must(pool_status_t status) {
    if (status == POOL_OK) return;
    fprintf(stderr, "isolate: %s\n", pool_status_string(status));
    exit(2);
}

static future_t *submit(pool_t *pool, const char *path) {
    static char room[16 << 20];
    FILE *file = fopen(path, "rb");
    future_t *future = NULL;
    if (!file) return NULL;
    size_t len = fread(room, 1, sizeof room - 1, file);
    fclose(file);
    room[len] = 0; /* Ends the words of an attack. */
    must(pool_submit(pool, decode, room, len + 1, &future));
    return future;
}

/* Prints what came of a file; whether it was decoded. */
static bool tell(const char *path, future_t *future) {
    const void *line = NULL;
    pool_error_t error;
    if (!future) return printf("%s: cannot be opened\n", path) < 0;
    pool_status_t status = future_collect(future, POOL_FOREVER, &line, NULL);
    must(future_error(future, &error));
    printf("%s: ", path);
    if (status == POOL_OK) puts(line);
    else if (status == POOL_ERR_TASK) puts(error.message);
    else if (status == POOL_ERR_HARD_LIMIT) puts("takes too long");
    else if (error.signal != 0) printf("the decoder died: %s\n", strsignal(error.signal));
    else printf("the decoder exited with code %d\n", error.exit_code);
    future_free(future);
    return status == POOL_OK;
}

int main(int argc, char **argv) {
    pool_options_t options = POOL_OPTIONS_INIT;
    options.sandbox = POOL_SANDBOX_COMPUTE;
    options.memory_limit_per_worker = 64 << 20;
    options.hard_limit_ms = 2000;
    pool_t *pool;
    pool_error_t error;
    if (pool_new(&options, &pool, &error) != POOL_OK) return fprintf(stderr, "isolate: %s\n", error.message), 2;
    future_t **futures = calloc((size_t)argc, sizeof(future_t *));
    if (!futures) return 2;
    for (int i = 1; i < argc; i++) futures[i] = submit(pool, argv[i]);
    bool all = true;
    for (int i = 1; i < argc; i++) all &= tell(argv[i], futures[i]);
    free(futures);
    pool_free(pool);
    return all ? 0 : 1;
}
