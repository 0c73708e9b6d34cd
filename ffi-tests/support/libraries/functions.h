/* Functions in a library of one's own: one that is exported, and one that is not. */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include <carpool.h>

/* Arguments: a uint64_t. Result: three times that. */
int32_t triple(pool_task_t *task);

/* A static function: four times that. */
pool_task_fn quadruple(void);

/* Not a function. */
extern int32_t not_a_function;

#endif
