/* Installing files in the place of others, which processes may have open. */
#ifndef INSTALL_H
#define INSTALL_H

#include "rendezvous.h"
#include <dlfcn.h>
#include <sys/stat.h>

/* A new file under the name, as an installer makes it: the old one lives as long as it is open. */
static inline void install_bytes(const void *bytes, size_t len, const char *path) {
    char *fresh;
    CHECK(asprintf(&fresh, "%s.new", path) > 0);
    FILE *to = fopen(fresh, "wb");
    CHECK(to && fwrite(bytes, 1, len, to) == len && fclose(to) == 0);
    CHECK(chmod(fresh, 0755) == 0);
    CHECK(rename(fresh, path) == 0);
    free(fresh);
}

/* The caller frees what it returns. */
static inline char *read_file(const char *path, size_t *len) {
    struct stat about;
    FILE *from = fopen(path, "rb");
    CHECK(from && fstat(fileno(from), &about) == 0);
    *len = (size_t)about.st_size;
    char *bytes = (char *)malloc(*len);
    CHECK(bytes && fread(bytes, 1, *len, from) == *len);
    fclose(from);
    return bytes;
}

static inline void install_file(const char *from, const char *path) {
    size_t len;
    char *bytes = read_file(from, &len);
    install_bytes(bytes, len, path);
    free(bytes);
}

/* A library of support/libraries. */
static inline void install_library(const char *name, const char *path) {
    char *build = library_path(name);
    install_file(build, path);
    free(build);
}

/* The folder of the installation whose library this program has loaded. */
static inline char *prefix_of_library(void) {
    Dl_info about;
    CHECK(dladdr((const void *)(uintptr_t)pool_new, &about) != 0);
    char *prefix = realpath(about.dli_fname, NULL);
    CHECK(prefix != NULL);
    for (int i = 0; i < 2; i++) *strrchr(prefix, '/') = 0;
    return prefix;
}

#endif
