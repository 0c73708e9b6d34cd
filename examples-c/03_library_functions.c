/* The library of 03_library.c: functions for workers that are exported by a shared library. */
#include <carpool.h>
#include <ctype.h>
#include <stdbool.h>

int32_t upper_case(pool_task_t *task);
int32_t count_words(pool_task_t *task);

/* Arguments: a text. Result: the same in capitals. */
int32_t upper_case(pool_task_t *task) {
    size_t len;
    const unsigned char *text = pool_task_args(task, &len);
    char *result = pool_task_result(task, len);
    if (!result) return pool_task_fail(task, 1, "no memory for the result");
    for (size_t i = 0; i < len; i++) result[i] = (char)toupper(text[i]);
    return 0;
}

/* Arguments: a text. Result: how many words it has, a uint64_t. */
int32_t count_words(pool_task_t *task) {
    size_t len;
    const unsigned char *text = pool_task_args(task, &len);
    uint64_t words = 0;
    bool inside = false;
    for (size_t i = 0; i < len; i++) {
        bool letter = text[i] && !isspace(text[i]);
        words += letter && !inside;
        inside = letter;
    }
    return pool_task_return(task, &words, sizeof words);
}
