/* Walking folders in the order of the bytes of all paths, with one folder's names in memory for
 * each level of depth.
 *
 * The paths of folders end with '/'. So it is enough to sort what is in one folder: "a-b" and "a.c"
 * come before "a/", and therefore before all that is in it, but "a0" after. */
#define _GNU_SOURCE
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct paths {
    char **all;
    size_t n;
};

static void out_of_memory(void) {
    fputs("out of memory\n", stderr);
    exit(1);
}

static void add(struct paths *paths, const char *folder, const char *name, const char *end) {
    bool full = (paths->n & (paths->n - 1)) == 0; /* It has room for a power of 2. */
    size_t room = paths->n ? 2 * paths->n : 1;
    if (full) paths->all = realloc(paths->all, room * sizeof *paths->all);
    if (!paths->all) out_of_memory();
    if (asprintf(&paths->all[paths->n++], "%s%s%s", folder, name, end) < 0) out_of_memory();
}

static bool is_folder(const char *path) {
    return *path && path[strlen(path) - 1] == '/';
}

/* Some file systems do not tell the type together with the name. */
static int type_of(const struct dirent *entry, DIR *folder) {
    struct stat facts;
    if (entry->d_type != DT_UNKNOWN) return entry->d_type;
    if (fstatat(dirfd(folder), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0) return DT_UNKNOWN;
    return IFTODT(facts.st_mode);
}

/* Adds the files and folders in a folder; 0 or an error. */
static int list(const char *folder, struct paths *paths) {
    DIR *entries = opendir(folder);
    if (!entries) return errno;
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(entries))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        int type = type_of(entry, entries);
        if (type == DT_REG) add(paths, folder, entry->d_name, "");
        if (type == DT_DIR) add(paths, folder, entry->d_name, "/");
    }
    int error = errno;
    closedir(entries);
    return error;
}

static int by_bytes(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Uses up the paths. */
static void visit_sorted(struct paths *paths, visit_fn *visit) {
    if (paths->n) qsort(paths->all, paths->n, sizeof *paths->all, by_bytes);
    for (size_t i = 0; i < paths->n; i++) {
        char *path = paths->all[i];
        if (!is_folder(path)) {
            visit(path, 0);
            continue;
        }
        struct paths inside = {0};
        int error = list(path, &inside);
        if (error) visit(path, error);
        visit_sorted(&inside, visit);
        free(path);
    }
    free(paths->all);
}

void walk_all(char *const *folders, size_t n, visit_fn *visit) {
    struct paths paths = {0};
    for (size_t i = 0; i < n; i++) {
        bool ended = is_folder(folders[i]) || !*folders[i]; /* No name is not the root. */
        add(&paths, folders[i], "", ended ? "" : "/");
    }
    visit_sorted(&paths, visit);
}
