/* inherit_fds: workers have the caller's descriptors under the same numbers, also number 3 and those that
 * the caller has closed since; everything else is closed, but in copies of the caller. worker_stdin is
 * what they read. */
#include "rendezvous.h"

enum { FAR = 700, STRANGER = 77 };

static void check_line(int descriptor, const char *expected) {
    char text[16] = {0};
    CHECK(pread(descriptor, text, sizeof text - 1, 0) == (ssize_t)strlen(expected));
    CHECK(strcmp(text, expected) == 0);
}

int32_t check_descriptors(pool_task_t *task) {
    bool is_copy = *(const char *)pool_task_args(task, NULL);
    check_line(3, "three");
    check_line(FAR, "far");
    check_line(0, "input");
    if (is_copy) return 0;
    CHECK(fcntl(STRANGER, F_GETFD) == -1);
    for (int descriptor = 4; descriptor < 1024; descriptor++) {
        char path[64], target[4096];
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        ssize_t length = descriptor == FAR ? -1 : readlink(path, target, sizeof target - 1);
        if (length < 0) continue;
        target[length] = 0;
        CHECK(target[0] != '/' || strncmp(target, "/memfd:", 7) == 0);
    }
    return 0;
}

int32_t write_a_byte(pool_task_t *task) {
    int descriptor;
    memcpy(&descriptor, pool_task_args(task, NULL), sizeof descriptor);
    CHECK(write(descriptor, "x", 1) == 1);
    return 0;
}

int32_t read_input(pool_task_t *task) {
    char text[16];
    ssize_t length = read(0, text, sizeof text);
    CHECK(length >= 0);
    return pool_task_return(task, text, (size_t)length);
}

static const char *file_with(const char *text) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("TEST_TMP"), text);
    int file = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
    return path;
}

static void lay(const char *text, int number) {
    int file = open(file_with(text), O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    if (file == number) return;
    CHECK(dup3(file, number, O_CLOEXEC) == number);
    close(file);
}

static void check_every_number(pool_options_t options) {
    int before = fcntl(3, F_DUPFD_CLOEXEC, 100); /* whatever the program has there */
    const int wanted[] = {FAR, 3, FAR};
    lay("three", 3);
    lay("far", FAR);
    CHECK(dup2(1, STRANGER) == STRANGER);
    options.inherit_fds = wanted;
    options.n_inherit_fds = COUNT_OF(wanted);
    options.worker_stdin = file_with("input");
    pool_t *pool = new_pool(&options, 2);
    close(FAR);
    if (before >= 0) {
        CHECK(dup3(before, 3, O_CLOEXEC) == 3);
        close(before);
    } else {
        close(3);
    }
    char is_copy = options.start == POOL_FORK;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(pool_run(pool, check_descriptors, &is_copy, 1, POOL_FOREVER, NULL, 0, NULL));
    }
    pool_options_t now = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &now));
    CHECK(now.inherit_fds != wanted && now.n_inherit_fds == 3 && now.inherit_fds[1] == 3);
    CHECK(strcmp(now.worker_stdin, options.worker_stdin) == 0);
    pool_free(pool);
    close(STRANGER);
}

static void check_pipe(pool_options_t options) {
    int ends[2];
    char byte;
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    options.inherit_fds = &ends[1];
    options.n_inherit_fds = 1;
    pool_t *pool = new_pool(&options, 1);
    CHECK_OK(pool_run(pool, write_a_byte, &ends[1], sizeof ends[1], POOL_FOREVER, NULL, 0, NULL));
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
    pool_free(pool);
    close(ends[0]);
    close(ends[1]);
}

/* The caller's own standard input, and an empty one. */
static void check_input(pool_options_t options) {
    char text[16];
    size_t len = 99;
    int input = 0, before = dup(0);
    pool_t *pool = new_pool(&options, 1);
    CHECK_OK(pool_run(pool, read_input, NULL, 0, POOL_FOREVER, text, sizeof text, &len));
    CHECK_EQUAL(len, 0);
    pool_free(pool);
    lay("mine", 0);
    options.inherit_fds = &input;
    options.n_inherit_fds = 1;
    pool = new_pool(&options, 1);
    CHECK_OK(pool_run(pool, read_input, NULL, 0, POOL_FOREVER, text, sizeof text, &len));
    CHECK(len == 4 && memcmp(text, "mine", 4) == 0);
    pool_free(pool);
    CHECK(dup2(before, 0) == 0);
    close(before);
}

static void check_refused(pool_options_t options) {
    pool_t *pool;
    const int closed[] = {1, 999}, negative = -1;
    options.inherit_fds = closed;
    options.n_inherit_fds = 2;
    CHECK_IS(pool_new(&options, &pool, NULL), POOL_ERR_INVALID);
    options.inherit_fds = &negative;
    options.n_inherit_fds = 1;
    CHECK_IS(pool_new(&options, &pool, NULL), POOL_ERR_INVALID);
    options.inherit_fds = NULL;
    CHECK_IS(pool_new(&options, &pool, NULL), POOL_ERR_INVALID);
    options.n_inherit_fds = 0;
    options.worker_stdin = "/nowhere/at/all";
    CHECK_IS(pool_new(&options, &pool, NULL), POOL_ERR_OS);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    check_every_number(options);
    check_pipe(options);
    check_input(options);
    check_refused(options);
    return leaves_nothing_behind();
}
