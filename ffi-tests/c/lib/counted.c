/* A library that counts how often it was opened, in the first word of a program's own. */
#include "../meet.h"

__attribute__((constructor)) static void count(void) {
    word_add(WORD_FIRST, 1);
}
