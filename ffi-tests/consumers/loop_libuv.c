/* libuv's loop: the pool's descriptor is a uv_poll_t. It ends by itself when that is closed. */
#include "loop.h"
#include <uv.h>

static void readable(uv_poll_t *poll, int status, int events) {
    CHECK_EQUAL(status, 0);
    CHECK_EQUAL(events, UV_READABLE);
    if (!drive_turn()) uv_close((uv_handle_t *)poll, NULL);
}

int main(int argc, char **argv) {
    uv_loop_t loop;
    uv_poll_t poll;
    /* What libuv opens once in a process. */
    CHECK(uv_loop_init(&loop) == 0 && uv_loop_close(&loop) == 0);

    drive_begin(argc, argv);
    CHECK(uv_loop_init(&loop) == 0);
    CHECK(uv_poll_init(&loop, &poll, pool_fd(drive.pool)) == 0);
    CHECK(uv_poll_start(&poll, UV_READABLE, readable) == 0);
    CHECK_EQUAL(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK(uv_loop_close(&loop) == 0);
    return drive_end();
}
