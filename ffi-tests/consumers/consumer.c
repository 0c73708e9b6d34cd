/* A program that uses carpool: it runs a function of its own on two workers. */
#include <carpool.h>
#include <carpool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C"
#endif
    int
    versions_agree(void);

typedef struct answer_t {
    int64_t square;
    int64_t pid;
} answer_t;

static int32_t square(pool_task_t *task) {
    size_t len = 0;
    const int64_t *number = (const int64_t *)pool_task_args(task, &len);
    answer_t answer;
    if (len != sizeof *number) {
        return pool_task_fail(task, 1, "no number");
    }
    answer.square = *number * *number;
    answer.pid = getpid();
    return pool_task_return(task, &answer, sizeof answer);
}

int main(int argc, char **argv) {
#ifdef WITH_WORKER_MAIN
    int code = pool_worker_main(argc, argv);
    if (code >= 0) {
        return code;
    }
#endif
    pool_options_t options = POOL_OPTIONS_INIT;
    pool_t *pool = NULL;
    pool_error_t error;
    int64_t number = 12;
    answer_t answer = {0, 0};
    size_t len = 0;
    int threads = argc > 1 && strcmp(argv[1], "threads") == 0;
    memset(&error, 0, sizeof error);
    options.kind = threads ? POOL_THREAD : POOL_PROCESS;
    options.max_workers = 2;
    pool_status_t status = pool_new(&options, &pool, &error);
    if (status == POOL_OK) {
        status = pool_run(pool, square, &number, sizeof number, 30000, &answer, sizeof answer, &len);
    }
    if (status != POOL_OK && pool != NULL) {
        pool_check(pool, &error);
    }
    pool_free(pool);
    printf("%s, square %d, %s\n", pool_status_name(status), (int)answer.square, error.message);
    return status == POOL_OK && answer.square == 144 && (answer.pid == getpid()) == threads && versions_agree() ? 0 : 1;
}
