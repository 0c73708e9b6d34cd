/* The workers of a pool that is open when main returns run their finalizers; the exit status is
 * main's. */
#include "rerun.h"

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (argc > 2) {
        int status = atoi(argv[2]);
        count_lifecycle(&options);
        if (status % 2) options.at_exit = POOL_EXIT_DRAIN;
        pool_t *one = new_pool(&options, 1), *two = new_pool(&options, 1);
        tasks_run_before(one);
        tasks_run_before(two);
        return status;
    }
    const char *const ways[] = {"0", "1", "42", "255"};
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        rerun(argv, ways[i], atoi(ways[i]));
        CHECK_EQUAL(word_after_rerun(ways[i], INITIALIZED), 2);
        CHECK_EQUAL(word_after_rerun(ways[i], FINALIZED), 2);
    }
    return leaves_nothing_behind();
}
