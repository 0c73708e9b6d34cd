/* GLib's main loop: the pool's descriptor is a source of the default context. */
#include "loop.h"
#include <glib-unix.h>

static gboolean readable(gint fd, GIOCondition condition, gpointer loop) {
    CHECK_EQUAL(fd, pool_fd(drive.pool));
    CHECK_EQUAL(condition, G_IO_IN);
    if (drive_turn()) return G_SOURCE_CONTINUE;
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv) {
    /* What GLib opens once in a process. */
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);

    drive_begin(argc, argv);
    CHECK(g_unix_fd_add(pool_fd(drive.pool), G_IO_IN, readable, loop) > 0);
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    return drive_end();
}
