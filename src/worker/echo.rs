//! A task's function of the library's own, for `pool_test`.

use super::Task;
use std::ffi::c_void;

/// Its result is its arguments.
unsafe extern "C-unwind" fn echo(task: *mut c_void) -> i32 {
    // SAFETY: a worker calls it with the pointer of the task that it runs.
    let Some(task) = (unsafe { Task::from_ptr(task.cast_const().cast()) }) else { return -1 };
    task.return_bytes(task.args_bytes())
}

/// The address of a function that any worker of any pool can run.
pub(crate) fn echo_address() -> usize {
    echo as *const () as usize
}
