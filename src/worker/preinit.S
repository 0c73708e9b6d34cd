/* In an executable that contains the library, carpool_process_start runs before anything else.
 *
 * Linkers allow this in executables only. A shared library that is made from libcarpool.a leaves this
 * file out (-Wl,--defsym=carpool_preinit=0): its .init_array is early enough. */
    .globl carpool_preinit
    .hidden carpool_preinit
    .hidden carpool_process_start
    .section .preinit_array, "aw", @preinit_array
    .balign 8
carpool_preinit:
    .quad carpool_process_start
    .section .note.GNU-stack, "", @progbits
