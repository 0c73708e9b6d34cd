/* A library that is never opened to the end: its constructor says that it has begun, and waits. */
#include "rendezvous.h"

__attribute__((constructor)) static void wait_for_ever(void) {
    word_add(WORD_FIRST, 1);
    for (;;) pause();
}
