/* A source of numbers that watches how it is used, for lazy maps. */
#ifndef LAZY_H
#define LAZY_H

#include "meet.h"

struct source {
    uint64_t end;         /* so many numbers, from 0 */
    pool_status_t answer; /* what comes then; 0: the end */
    uint64_t pulled;      /* so many were given out */
    uint64_t taken;       /* the program counts here what it was given by the map */
    uint64_t most_ahead;  /* the largest difference of these two */
    uint64_t item, calls_after_end;
};

static inline pool_status_t next_number(void *user, const void **item, size_t *len) {
    struct source *source = (struct source *)user;
    if (source->pulled == source->end) {
        source->calls_after_end++;
        return source->answer ? source->answer : POOL_ERR_END;
    }
    source->item = source->pulled++;
    if (source->pulled - source->taken > source->most_ahead) {
        source->most_ahead = source->pulled - source->taken;
    }
    *item = &source->item;
    *len = sizeof source->item;
    return POOL_OK;
}

static inline pool_map_t *start_map(pool_t *pool, pool_task_fn function, struct source *source,
                                    const pool_map_options_t *options) {
    pool_map_t *map = NULL;
    CHECK_OK(pool_map_start(pool, function, next_number, source, options, &map));
    CHECK(map != NULL);
    CHECK_EQUAL(source->pulled, 0);
    return map;
}

/* Takes one whose result is the square of its number; answers that number. */
static inline uint64_t take_square(pool_map_t *map, struct source *source) {
    const void *data = NULL;
    uint64_t index = UINT64_MAX, number;
    size_t len = 0;
    CHECK_OK(pool_map_next(map, POOL_FOREVER, &data, &len, &index));
    CHECK_EQUAL(len, sizeof number);
    memcpy(&number, data, sizeof number);
    CHECK_EQUAL(number, index * index);
    source->taken++;
    return index;
}

/* What the map answers now, without a result. */
static inline void next_answers(pool_map_t *map, int64_t timeout_ms, pool_status_t expected) {
    const void *data = map;
    size_t len = 9;
    CHECK_IS(pool_map_next(map, timeout_ms, &data, &len, NULL), expected);
    CHECK(data == NULL);
    CHECK_EQUAL(len, 0);
}

#endif
