//! The task function of `pool_test`, which returns its arguments.

use super::Task;
use std::ffi::c_void;

/// Returns the task's arguments as its result.
unsafe extern "C-unwind" fn echo(task: *mut c_void) -> i32 {
    // SAFETY: a worker calls this function with a pointer to the task that it runs.
    let Some(task) = (unsafe { Task::from_ptr(task.cast_const().cast()) }) else { return -1 };
    task.return_bytes(task.args_bytes())
}

/// The address of the function, which the workers of every pool can run.
pub(crate) fn echo_address() -> usize {
    echo as *const () as usize
}
