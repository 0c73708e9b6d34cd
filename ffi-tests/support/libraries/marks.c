/* A library that says when it is loaded: its constructor makes a file in TEST_TMP. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void say_so(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s/marks_was_loaded", getenv("TEST_TMP"));
    close(creat(path, 0600));
}
