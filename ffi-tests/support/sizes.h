/* Lengths around which the library may store bytes differently, and a byte pattern that can be verified. */
#ifndef SIZES_H
#define SIZES_H

#include "rendezvous.h"

#define MIB ((size_t)1 << 20)

static const size_t SIZES[] = {
    0,    1,    7,     8,     9,     15,        16,   17,       63,           64,
    65,   79,   80,    81,    95,    96,        97,   127,      128,          129,
    255,  256,  257,   1000,  4095,  4096,      4097, 65535,    65536,        65537,
    MIB,  MIB + 1,     4 * MIB - 1,  16 * MIB,  64 * MIB,       64 * MIB + 1, 300 * MIB,
};

/* Each 8 bytes depend on their offset and on the length, so that no two pieces are the same. */
static inline uint64_t pattern(size_t offset, size_t len) {
    return (offset + 1) * 0x9e3779b97f4a7c15u ^ len;
}

static inline void fill(void *bytes, size_t len) {
    for (size_t offset = 0; offset < len; offset += 8) {
        uint64_t eight = pattern(offset, len);
        memcpy((char *)bytes + offset, &eight, len - offset < 8 ? len - offset : 8);
    }
}

static inline int is_filled(const void *bytes, size_t len) {
    int differs = 0;
    for (size_t offset = 0; offset < len; offset += 8) {
        uint64_t eight = pattern(offset, len);
        differs |= memcmp((const char *)bytes + offset, &eight, len - offset < 8 ? len - offset : 8);
    }
    return !differs;
}

/* More than 8 bytes are aligned for any type, fewer to 8. */
static inline int is_aligned(const void *bytes, size_t len) {
    return (uintptr_t)bytes % (len > 8 ? _Alignof(max_align_t) : 8) == 0;
}

#endif
