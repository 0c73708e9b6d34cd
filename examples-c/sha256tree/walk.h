/* Finding all files below folders, in the order of their paths. */
#ifndef WALK_H
#define WALK_H

#include <stddef.h>

/* Receives the path of a file, to be freed, and 0; or the path of a folder that cannot be read, to
 * be left alone, and the error. */
typedef void visit_fn(char *path, int error);

/* Visits the regular files below the folders. Symbolic links below them are not followed. */
void walk_all(char *const *folders, size_t n, visit_fn *visit);

#endif
