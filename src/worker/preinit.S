/* Makes carpool_process_start run before all other code of an executable that contains the library.
 *
 * Linkers allow a .preinit_array in executables only. A shared library that is made from libcarpool.a
 * leaves this file out (-Wl,--defsym=carpool_preinit=0): its .init_array is early enough. */
    .globl carpool_preinit
    .hidden carpool_preinit
    .hidden carpool_process_start
    .section .preinit_array, "aw", @preinit_array
    .balign 8
carpool_preinit:
    .quad carpool_process_start
    .section .note.GNU-stack, "", @progbits
