/* A library whose constructor says that it has begun, and waits until it may go on. */
#include "rendezvous.h"

__attribute__((constructor)) static void wait_for_leave(void) {
    word_add(WORD_FIRST, 1);
    word_wait(WORD_FIRST + 1, 1);
}
