/* What the caller has to be done when it exits, and what it has printed but not written, is not done a
 * second time by workers that are copies of it; what their tasks print is written, once. */
#include "lifecycle.h"

enum { HANDLED = WORD_FIRST, ADDED_IN_TASK = WORD_FIRST + 1 };

static FILE *book;

static void note_exit(void) {
    word_add(HANDLED, 1);
}

static void note_exit_of_task(void) {
    word_add(ADDED_IN_TASK, 1);
}

static int32_t print_a_line(pool_task_t *task) {
    (void)task;
    fprintf(book, "task\n");
    return 0;
}

static int32_t call_exit(pool_task_t *task) {
    (void)task;
    atexit(note_exit_of_task);
    fprintf(book, "exit\n");
    exit(3);
}

static int count_of(const char *text, const char *line) {
    int n = 0;
    for (const char *at = strstr(text, line); at; at = strstr(at + 1, line)) n++;
    return n;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.start != POOL_FORK) return SKIPPED;
    char path[4096], text[4096] = {0};
    snprintf(path, sizeof path, "%s/book", getenv("TEST_TMP"));
    book = fopen(path, "a");
    CHECK(book != NULL);
    CHECK(atexit(note_exit) == 0);
    fprintf(book, "caller\n");

    pool_t *pool = new_pool(&options, 1);
    future_t *future;
    pool_error_t error;
    CHECK_OK(pool_run(pool, print_a_line, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    CHECK_OK(pool_submit(pool, call_exit, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, POOL_ERR_WORKER_LOST);
    CHECK_EQUAL(error.exit_code, 3);
    future_free(future);
    pool_free(pool);
    CHECK_EQUAL(word_get(HANDLED), 0);
    CHECK_EQUAL(word_get(ADDED_IN_TASK), 1);

    fclose(book);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL && fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    CHECK_EQUAL(count_of(text, "caller\n"), 1);
    CHECK_EQUAL(count_of(text, "task\n"), 1);
    CHECK_EQUAL(count_of(text, "exit\n"), 1);
    return leaves_nothing_behind();
}
