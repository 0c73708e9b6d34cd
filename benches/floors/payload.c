/* How fast can this machine copy bytes there and back within one process?
 *
 *     payload BYTES MILLISECONDS */
#include "bench.h"

int main(int argc, char **argv) {
    if (argc != 3) die("usage: %s BYTES MILLISECONDS", argv[0]);
    size_t len = number(argv[1]);
    uint64_t budget_ns = number(argv[2]) * 1000000, trips = 0;
    char *here = new_touched(len), *there = new_touched(len), *back = new_touched(len);

    struct span span = span_begin();
    for (; trips == 0 || now_ns() - span.wall_ns < budget_ns; trips++) {
        here[trips % len] = (char)trips;
        memcpy(there, here, len);
        __asm__ volatile("" : : "r"(there) : "memory"); /* keeps the compiler from removing the copy */
        memcpy(back, there, len);
        __asm__ volatile("" : : "r"(back) : "memory");
        CHECK(back[trips % len] == (char)trips);
    }
    span_end(&span);
    printf("{\"bytes\": %zu, \"trips\": %" PRIu64 ", \"trip_ns\": %.1f, \"cpu_ns\": %.1f}\n", len,
           trips, (double)span.wall_ns / (double)trips, cpu_each_ns(&span, trips));
    return 0;
}
