//! Exceptions that leave a task's function: caught before they reach a frame of ours, and described.
//!
//! ```text
//!   Worker::call ── catching (assembly) ── the task's function ── … ── throw
//!                     ▲  its personality routine: "the handler is here", for every exception;
//!                     │  then it notes the exception, and resumes behind the call
//! ```
//!
//! Unwinding is that of the Itanium C++ ABI, "Exception Handling", level I. No frame of Rust is unwound.
//!
//! `pthread_exit` and a cancellation of the thread unwind too, by force, and end here as well: the
//! thread is ours, and goes on.

use super::cxx_exceptions::Runtime;
use super::resolve::TaskFunction;
use std::ffi::{c_int, c_void};

/// The code of a task whose function was left by an exception.
pub(crate) const EXCEPTION_CODE: i32 = i32::MIN;

/// Calls a task's function. An error: it was left by an exception, and the words for it.
///
/// # Safety
/// `task` is what the function takes.
#[inline]
pub(super) unsafe fn call(function: TaskFunction, task: *mut c_void) -> Result<i32, String> {
    let mut caught = Caught::Nothing;
    // SAFETY: the caller's promise; `caught` lives as long as the call.
    let code = unsafe { catching(function, task, &mut caught) };
    match caught {
        Caught::Nothing => Ok(code),
        // SAFETY: `personality` has noted it, and nobody else has this exception.
        Caught::Exception(exception) => Err(unsafe { end(exception) }),
        Caught::ThreadExit => Err("pthread_exit, or a cancellation, left the function".into()),
    }
}

/// What has left a function, other than its return.
enum Caught {
    Nothing,
    Exception(*mut Exception),
    ThreadExit,
}

// ---- level I: unwinding ----------------------------------------------------------------------------

/// `_Unwind_Exception`. The object that was thrown follows it.
#[repr(C, align(16))]
pub(super) struct Exception {
    class: u64,
    pub(super) cleanup: *const c_void,
    private: [usize; 2],
}

const FORCE_UNWIND: c_int = 8;
const SEARCH_PHASE: c_int = 1;
const HANDLER_FOUND: c_int = 6;
const INSTALL_CONTEXT: c_int = 7;

/// `__pthread_unwind_buf_t`: what `pthread_cleanup_push` keeps in a frame of C. Those of a thread are a
/// list, from the innermost one.
#[repr(C)]
struct CleanupBuffer {
    jump: [usize; JUMP_WORDS],
    is_mask_saved: c_int,
    outer: *mut CleanupBuffer,
    reserved: [usize; 3],
}

/// The size of `__jmp_buf`.
#[cfg(target_arch = "x86_64")]
const JUMP_WORDS: usize = 8;
#[cfg(target_arch = "aarch64")]
const JUMP_WORDS: usize = 22;

/// Removes the buffers of the frames that are unwound from the thread's list: a later exit would jump
/// to them.
///
/// # Safety
/// Of the calling thread, `frame` is the stack pointer of a frame, and all deeper ones are still there.
unsafe fn forget_cleanup_buffers(frame: usize) {
    unsafe extern "C" {
        fn __pthread_register_cancel(buffer: *mut CleanupBuffer);
        fn __pthread_unregister_cancel(buffer: *mut CleanupBuffer);
    }
    // SAFETY: numbers and null pointers.
    let mut ours = unsafe { std::mem::zeroed::<CleanupBuffer>() };
    // SAFETY: ours is in the list between the two calls only.
    unsafe { __pthread_register_cancel(&mut ours) };
    while (1..frame).contains(&ours.outer.addr()) {
        // SAFETY: the list is that of the thread; the caller's promise for this frame.
        ours.outer = unsafe { (*ours.outer).outer };
    }
    // SAFETY: it was registered above.
    unsafe { __pthread_unregister_cancel(&mut ours) };
}

/// Calls the function. If something else than its return leaves it, that is written to `caught`, and the
/// call returns whatever number. The address of `caught` is at the stack pointer during the call.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C-unwind" fn catching(
    function: TaskFunction,
    task: *mut c_void,
    caught: &mut Caught,
) -> i32 {
    std::arch::naked_asm!(
        ".cfi_startproc",
        ".cfi_personality 0x1b, {personality}",
        "push rdx",
        ".cfi_def_cfa_offset 16",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        // Here it goes on, after an exception, too: `personality` does not change the address.
        "pop rdx",
        ".cfi_def_cfa_offset 8",
        "ret",
        ".cfi_endproc",
        personality = sym personality,
    )
}

/// As above.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C-unwind" fn catching(
    function: TaskFunction,
    task: *mut c_void,
    caught: &mut Caught,
) -> i32 {
    std::arch::naked_asm!(
        ".cfi_startproc",
        ".cfi_personality 0x1b, {personality}",
        "str x2, [sp, #-32]!",
        ".cfi_def_cfa_offset 32",
        "stp x29, x30, [sp, #16]",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        "add x29, sp, #16",
        "mov x9, x0",
        "mov x0, x1",
        "blr x9",
        // Here it goes on, after an exception, too: `personality` does not change the address.
        "ldp x29, x30, [sp, #16]",
        "add sp, sp, #32",
        ".cfi_def_cfa_offset 0",
        "ret",
        ".cfi_endproc",
        personality = sym personality,
    )
}

/// The personality routine of `catching`: what the unwinder asks when it finds that frame. Of the
/// unwinder's functions it calls only one that reads a field: the others refuse the context of another
/// copy of the unwinder, and each library that is linked with a static one has its own.
unsafe extern "C" fn personality(
    _version: c_int,
    actions: c_int,
    _class: u64,
    exception: *mut Exception,
    context: *mut c_void,
) -> c_int {
    unsafe extern "C" {
        fn _Unwind_GetCFA(context: *mut c_void) -> usize;
    }
    if actions & SEARCH_PHASE != 0 {
        return HANDLER_FOUND;
    }
    // SAFETY: the unwinder's context of the frame of `catching`. The canonical frame address that it has
    // is that of the frame called: the stack pointer of `catching` during the call.
    let stack_pointer = unsafe { _Unwind_GetCFA(context) };
    let what = match actions & FORCE_UNWIND {
        0 => Caught::Exception(exception),
        // What the unwinder was given belongs to the thread.
        _ => {
            // SAFETY: the unwinder, and we, are deeper in the stack than all that it unwinds.
            unsafe { forget_cleanup_buffers(stack_pointer) };
            Caught::ThreadExit
        }
    };
    // SAFETY: `catching` has stored the address of the exclusive reference `caught` there.
    let caught = unsafe { *(stack_pointer as *const *mut Caught) };
    // SAFETY: as above; `catching` does not return before us.
    unsafe { *caught = what };
    INSTALL_CONTEXT
}

// ---- the end of an exception ----------------------------------------------------------------------

/// The class of an exception: vendor and language. The last byte of those of C++ tells whether the
/// object is the exception's own.
const CXX: u64 = u64::from_be_bytes(*b"\0\0\0\0C++\0");
const CXX_MASK: u64 = u64::from_be_bytes(*b"\0\0\0\0\xff\xff\xff\0");
const RUST: u64 = u64::from_be_bytes(*b"MOZ\0RUST");

/// Ends an exception, and describes it.
///
/// # Safety
/// It is one that was caught, and nobody else has it.
#[cold]
unsafe fn end(exception: *mut Exception) -> String {
    unsafe extern "C" {
        fn _Unwind_DeleteException(exception: *mut Exception);
    }
    // SAFETY: the caller's promise.
    let Exception { class, cleanup, .. } = unsafe { &*exception };
    if *class == RUST {
        // Its end would abort the process.
        return "the function panicked".into();
    }
    let runtime = match class & CXX_MASK {
        CXX => Runtime::of(*cleanup),
        _ => None,
    };
    match runtime {
        // SAFETY: the caller's promise, and this is the runtime that has made it.
        Some(runtime) => unsafe { runtime.end(exception) },
        None => {
            // SAFETY: the caller's promise.
            unsafe { _Unwind_DeleteException(exception) };
            "an exception left the function".into()
        }
    }
}
