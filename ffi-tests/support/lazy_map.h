/* A source of numbers for lazy maps that records how it is used. */
#ifndef LAZY_MAP_H
#define LAZY_MAP_H

#include "rendezvous.h"

struct source {
    uint64_t end;             /* it yields the numbers 0 to end - 1 */
    pool_status_t end_status; /* its status after them; 0: POOL_ERR_END */
    uint64_t pulled;          /* how many numbers the map has pulled */
    uint64_t taken;           /* how many results the program has taken; counted by the program */
    uint64_t most_ahead;      /* the largest difference between these two */
    uint64_t item, calls_after_end;
};

static inline pool_status_t next_number(void *user, const void **item, size_t *len) {
    struct source *source = (struct source *)user;
    if (source->pulled == source->end) {
        source->calls_after_end++;
        return source->end_status ? source->end_status : POOL_ERR_END;
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

/* Takes a result, which is the square of its index. Returns the index. */
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

/* The next call of pool_map_next returns this status, and no result. */
static inline void check_next(pool_map_t *map, int64_t timeout_ms, pool_status_t expected) {
    const void *data = map;
    size_t len = 9;
    CHECK_IS(pool_map_next(map, timeout_ms, &data, &len, NULL), expected);
    CHECK(data == NULL);
    CHECK_EQUAL(len, 0);
}

#endif
