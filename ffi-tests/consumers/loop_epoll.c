/* A loop of one's own, over epoll. */
#include "loop.h"
#include <sys/epoll.h>

int main(int argc, char **argv) {
    drive_begin(argc, argv);
    int loop = epoll_create1(EPOLL_CLOEXEC), is_on = 1;
    struct epoll_event event = {.events = EPOLLIN};
    CHECK(epoll_ctl(loop, EPOLL_CTL_ADD, pool_fd(drive.pool), &event) == 0);
    while (is_on) {
        if (epoll_wait(loop, &event, 1, (int)pool_next_timeout_ms(drive.pool)) == 1) is_on = drive_turn();
    }
    CHECK(epoll_wait(loop, &event, 1, 20) == 0);
    close(loop);
    return drive_end();
}
