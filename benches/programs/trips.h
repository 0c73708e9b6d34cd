/* Measures round trips of any kind in the same way, so that the results can be compared. */
#ifndef TRIPS_H
#define TRIPS_H

#include "measure.h"

/* Sends x, waits for the reply, and checks it. */
typedef void (*trip_fn)(uint64_t x, void *user);

/* Prints the line of JSON. Measures round trips back to back, without reading the clock in between; one by
 * one, for the percentiles, which include one clock read; and after pauses in which all threads fall asleep. */
static inline void measure_trips(trip_fn trip, void *user, uint64_t trips, uint64_t pauses) {
    const uint64_t batch = 1000, budget_ns = 500000000, pause_ns = 2000000;
    uint64_t batches = trips / batch, done = 0;
    CHECK(batches > 0);
    uint64_t *each_ns = (uint64_t *)new_touched((batches * batch + pauses) * sizeof *each_ns);

    for (uint64_t i = 0; i < batch; i++) trip(i, user);

    /* A slow candidate makes fewer trips, instead of taking more time. */
    struct span span = span_begin();
    while (batches-- > 0 && now_ns() - span.wall_ns < budget_ns) {
        for (uint64_t end = done + batch; done < end; done++) trip(done, user);
    }
    span_end(&span);

    uint64_t begin_ns = now_ns();
    for (uint64_t i = 0; i < done; i++) {
        trip(i, user);
        uint64_t end_ns = now_ns();
        each_ns[i] = end_ns - begin_ns;
        begin_ns = end_ns;
    }
    printf("{\"trips\": %" PRIu64 ", \"hot_ns\": %.1f, \"cpu_ns\": %.1f, ", done,
           (double)span.wall_ns / (double)done, cpu_each_ns(&span, done));
    printf("\"p50_ns\": %" PRIu64 ", ", percentile(each_ns, done, 50));
    printf("\"p99_ns\": %" PRIu64 ", ", percentile(each_ns, done, 99));

    for (uint64_t i = 0; i < pauses; i++) {
        sleep_ns(pause_ns);
        begin_ns = now_ns();
        trip(i, user);
        each_ns[i] = now_ns() - begin_ns;
    }
    printf("\"paused_p50_ns\": %" PRIu64 "}\n", percentile(each_ns, pauses, 50));
    free(each_ns);
}

#endif
