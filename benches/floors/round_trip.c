/* How fast can two processes answer each other at all, 8 bytes each way, through one shared page?
 *
 *     round_trip spin|futex across|same TRIPS PAUSES
 *
 * spin never sleeps; futex does so before each answer. across pins the two to different CPUs, same to
 * one, where spinning makes no sense. */
#include "bench.h"
#include "trips.h"
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>

/* One direction: its word counts the messages. On a cache line of its own, which is all that travels. */
struct lane {
    _Alignas(64) _Atomic uint32_t count;
    uint64_t payload;
};

static struct { struct lane there, back; } *page;
static int sleeps;

static void say(struct lane *lane, uint64_t payload) {
    lane->payload = payload;
    atomic_fetch_add_explicit(&lane->count, 1, memory_order_release); /* pairs with hear */
    if (sleeps) syscall(SYS_futex, &lane->count, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static uint64_t hear(struct lane *lane, uint32_t heard) {
    while (atomic_load_explicit(&lane->count, memory_order_acquire) == heard) {
        if (sleeps) syscall(SYS_futex, &lane->count, FUTEX_WAIT, heard, NULL, NULL, 0);
        else relax();
    }
    return lane->payload;
}

static void round_trip(uint64_t x, void *user) {
    (void)user;
    uint32_t heard = atomic_load_explicit(&page->back.count, memory_order_relaxed);
    say(&page->there, x);
    CHECK(hear(&page->back, heard) == x * 2 + 1);
}

int main(int argc, char **argv) {
    if (argc != 5) die("usage: %s spin|futex across|same TRIPS PAUSES", argv[0]);
    sleeps = strcmp(argv[1], "futex") == 0;
    int here = nth_cpu(0), there = strcmp(argv[2], "across") == 0 ? nth_cpu(1) : here;
    if (there < 0) skip("one CPU only");
    page = new_shared(sizeof *page);

    pid_t peer = fork_peer();
    pin(peer == 0 ? there : here);
    for (uint32_t heard = 0; peer == 0; heard++) say(&page->back, hear(&page->there, heard) * 2 + 1);

    measure_trips(round_trip, NULL, number(argv[3]), number(argv[4]));
    kill(peer, SIGKILL);
    waitpid(peer, NULL, 0);
    return 0;
}
