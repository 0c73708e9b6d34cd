/* What is the shortest round trip between two processes, 8 bytes each way, through a shared page?
 *
 *     round_trip spin|futex across|same TRIPS PAUSES
 *
 * spin never sleeps; futex sleeps before each reply. across pins the processes to two CPUs, same pins both to
 * one CPU, where spinning makes no sense. */
#include "bench.h"
#include "trips.h"
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>

/* One direction. The counter and the message share one cache line, the only one that moves between CPUs. */
struct lane {
    _Alignas(64) _Atomic uint32_t count;
    uint64_t payload;
};

static struct { struct lane there, back; } *page;
static int sleeps;

static void send_message(struct lane *lane, uint64_t payload) {
    lane->payload = payload;
    atomic_fetch_add_explicit(&lane->count, 1, memory_order_release); /* pairs with receive */
    if (sleeps) syscall(SYS_futex, &lane->count, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static uint64_t receive(struct lane *lane, uint32_t received) {
    while (atomic_load_explicit(&lane->count, memory_order_acquire) == received) {
        if (sleeps) syscall(SYS_futex, &lane->count, FUTEX_WAIT, received, NULL, NULL, 0);
        else relax();
    }
    return lane->payload;
}

static void round_trip(uint64_t x, void *user) {
    (void)user;
    uint32_t received = atomic_load_explicit(&page->back.count, memory_order_relaxed);
    send_message(&page->there, x);
    CHECK(receive(&page->back, received) == x * 2 + 1);
}

int main(int argc, char **argv) {
    if (argc != 5) die("usage: %s spin|futex across|same TRIPS PAUSES", argv[0]);
    sleeps = strcmp(argv[1], "futex") == 0;
    int here = nth_cpu(0), there = strcmp(argv[2], "across") == 0 ? nth_cpu(1) : here;
    if (there < 0) skip("needs two CPUs");
    page = new_shared(sizeof *page);

    pid_t peer = fork_peer();
    pin(peer == 0 ? there : here);
    for (uint32_t received = 0; peer == 0; received++) {
        send_message(&page->back, receive(&page->there, received) * 2 + 1);
    }

    measure_trips(round_trip, NULL, number(argv[3]), number(argv[4]));
    kill(peer, SIGKILL);
    waitpid(peer, NULL, 0);
    return 0;
}
