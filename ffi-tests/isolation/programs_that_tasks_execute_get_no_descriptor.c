/* A program that a task executes has the task's standard descriptors, and none of the library's: no channel, no shared
 * memory. */
#include "rendezvous.h"

/* Result: the descriptors that a program has which the task executes, as text. */
static int32_t list_descriptors(pool_task_t *task) {
    char text[512];
    FILE *program = popen("exec ls /proc/self/fd", "r");
    if (!program) return 1;
    size_t len = fread(text, 1, sizeof text, program);
    return pclose(program) != 0 ? 2 : pool_task_return(task, text, len);
}

int main(int argc, char **argv) {
    /* What the tests' runner has left open goes to every program. */
    for (int fd = 3; fd < 256; fd++) close(fd);
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    char text[512] = {0};
    CHECK_OK(pool_run(pool, list_descriptors, NULL, 0, POOL_FOREVER, text, sizeof text - 1, NULL));
    /* The last one is the folder that ls reads. */
    if (strcmp(text, "0\n1\n2\n3\n") != 0) fprintf(stderr, "%s", text);
    CHECK(strcmp(text, "0\n1\n2\n3\n") == 0);
    pool_free(pool);
    return leaves_nothing_behind();
}
