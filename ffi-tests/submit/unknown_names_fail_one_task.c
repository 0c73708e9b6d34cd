/* A module or symbol that does not exist fails only its task, with the loader's words; the worker lives on. */
#include "rendezvous.h"

enum { ROUNDS = 50 };

static void fails(pool_t *pool, const char *module, const char *symbol, const char *said) {
    future_t *future;
    pool_error_t error;
    const void *data;
    CHECK_OK(pool_submit_symbol(pool, module, symbol, NULL, 0, &future));
    CHECK_IS(future_collect(future, POOL_FOREVER, &data, NULL), POOL_ERR_FUNCTION);
    CHECK_EQUAL(future_state(future), FUTURE_FAILED);
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, POOL_ERR_FUNCTION);
    if (!strstr(error.message, said)) {
        fprintf(stderr, "\"%s\" does not say \"%s\"\n", error.message, said);
        exit(1);
    }
    future_free(future);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    char *functions = library_path("functions");
    int64_t worker = pid_of_any_worker(pool);
    for (int round = 0; round < ROUNDS; round++) {
        fails(pool, "libno_such_library.so", "triple", "libno_such_library.so");
        fails(pool, "libno_such_library.so", "triple", "No such file or directory");
        fails(pool, "/dev/null", "triple", "/dev/null");
        fails(pool, "/etc/passwd", "triple", "invalid ELF header");
        fails(pool, functions, "no_such_function", "no_such_function");
        fails(pool, functions, "not_a_function", "not_a_function");
        fails(pool, NULL, "no_such_function", "no_such_function");
    }
    uint64_t n = 4;
    future_t *future;
    CHECK_OK(pool_submit_symbol(pool, functions, "triple", &n, sizeof n, &future));
    CHECK_EQUAL(collect_number(future), 12);
    CHECK_EQUAL(pid_of_any_worker(pool), worker);
    future_free(future);
    pool_free(pool);
    free(functions);
    return leaves_nothing_behind();
}
