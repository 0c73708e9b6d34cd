/* Tests that find more the longer they run: how long that is, and what they have done so far, on one line that is
 * written anew each second if standard error is a terminal. */
#ifndef ENDURANCE_H
#define ENDURANCE_H

#include "processes.h"
#include <stdarg.h>

/* ENDURANCE_SECONDS, or what fits into a test of all. */
static inline uint64_t endurance_ns(double short_form) {
    const char *seconds = getenv("ENDURANCE_SECONDS");
    return (uint64_t)((seconds ? atof(seconds) : short_form) * 1e9);
}

/* ENDURANCE_SEED, or another one each time; printed, so that what failed can be run again. */
static inline uint64_t endurance_seed(void) {
    const char *text = getenv("ENDURANCE_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : now_ns() % 1000000007u;
    printf("ENDURANCE_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    return seed;
}

/* Whether the time is over. Once a second the line is written. */
__attribute__((format(printf, 2, 3))) static inline bool endurance_is_over(uint64_t end, const char *format, ...) {
    static uint64_t told;
    uint64_t now = now_ns();
    if (isatty(STDERR_FILENO) && (now - told >= 1000000000u || now >= end)) {
        va_list values;
        va_start(values, format);
        fprintf(stderr, "\r\033[K%4" PRIu64 " s left: ", now < end ? (end - now) / 1000000000u : 0);
        vfprintf(stderr, format, values);
        fprintf(stderr, now < end ? "" : "\n");
        va_end(values);
        told = now;
    }
    return now >= end;
}

/* The next number of a sequence; the state is not 0. (Marsaglia: Xorshift RNGs.) */
static inline uint64_t next_random(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

static inline uint64_t random_below(uint64_t *state, uint64_t bound) {
    return next_random(state) % bound;
}

#endif
