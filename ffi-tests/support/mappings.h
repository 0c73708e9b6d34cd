/* The memory of this process, mapping by mapping, and the pages of it that hold anything. */
#ifndef MAPPINGS_H
#define MAPPINGS_H

#include "check.h"
#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>

enum { PAGES_AT_ONCE = 1 << 16 };

struct mapping {
    char *start, *end;
    char access[5];
    char name[256];
};

/* Calls `visit` for each mapping. */
static inline void for_each_mapping(void (*visit)(const struct mapping *mapping, void *context), void *context) {
    struct mapping mappings[1024];
    size_t n = 0;
    char line[4096 + 128];
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps)) {
        struct mapping *mapping = &mappings[n++];
        unsigned long start, end;
        CHECK(n <= COUNT_OF(mappings));
        mapping->name[0] = 0;
        CHECK(sscanf(line, "%lx-%lx %4s %*s %*s %*s %255[^\n]", &start, &end, mapping->access, mapping->name) >= 3);
        mapping->start = (char *)start;
        mapping->end = (char *)end;
    }
    fclose(maps);
    for (size_t i = 0; i < n; i++) visit(&mappings[i], context);
}

/* Calls `visit` for each page of a mapping that is in memory. */
static inline void for_each_page(const struct mapping *mapping, void (*visit)(char *page, void *context),
                                 void *context) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *resident = (unsigned char *)malloc(PAGES_AT_ONCE);
    CHECK(resident != NULL);
    for (char *start = mapping->start; start < mapping->end; start += PAGES_AT_ONCE * page) {
        size_t len = (size_t)(mapping->end - start);
        if (len > PAGES_AT_ONCE * page) len = PAGES_AT_ONCE * page;
        if (mincore(start, len, resident) != 0) break; /* it is not memory, or no longer there */
        for (size_t i = 0; i < len / page; i++) {
            if (resident[i] & 1) visit(start + i * page, context);
        }
    }
    free(resident);
}

/* Copies memory that may not be readable. */
static inline bool copy_page(void *to, const char *page, size_t size) {
    struct iovec here = {to, size}, there = {(void *)(uintptr_t)page, size};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)size;
}

#endif
