/* The helper program: a worker process that runs functions of shared libraries. */
#include <carpool.h>
#include <stdio.h>

int main(int argc, char **argv) {
    int code = pool_worker_main(argc, argv);
    if (code >= 0) {
        return code;
    }
    fputs("carpool-worker: runs tasks for programs that use carpool, which start it by themselves\n", stderr);
    return 2;
}
