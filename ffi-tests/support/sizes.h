/* Lengths at which the way of the bytes may change, and bytes that prove themselves. */
#ifndef SIZES_H
#define SIZES_H

#include "meet.h"

#define MIB ((size_t)1 << 20)

static const size_t SIZES[] = {
    0,    1,    7,     8,     9,     15,        16,   17,       63,           64,
    65,   79,   80,    81,    95,    96,        97,   127,      128,          129,
    255,  256,  257,   1000,  4095,  4096,      4097, 65535,    65536,        65537,
    MIB,  MIB + 1,     4 * MIB - 1,  16 * MIB,  64 * MIB,       64 * MIB + 1, 300 * MIB,
};

/* Each eight bytes depend on their place and on the length, so that no piece can stand for
 * another. */
static inline uint64_t pattern(size_t place, size_t len) {
    return (place + 1) * 0x9e3779b97f4a7c15u ^ len;
}

static inline void fill(void *bytes, size_t len) {
    for (size_t place = 0; place < len; place += 8) {
        uint64_t eight = pattern(place, len);
        memcpy((char *)bytes + place, &eight, len - place < 8 ? len - place : 8);
    }
}

static inline int is_filled(const void *bytes, size_t len) {
    int differs = 0;
    for (size_t place = 0; place < len; place += 8) {
        uint64_t eight = pattern(place, len);
        differs |= memcmp((const char *)bytes + place, &eight, len - place < 8 ? len - place : 8);
    }
    return !differs;
}

/* Bytes are aligned for any type where they are more than 8, else to 8. */
static inline int is_aligned(const void *bytes, size_t len) {
    return (uintptr_t)bytes % (len > 8 ? _Alignof(max_align_t) : 8) == 0;
}

#endif
