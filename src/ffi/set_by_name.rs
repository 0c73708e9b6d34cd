//! Structs of options for languages that have none: initialized by size, and set by the names of
//! their fields.

use super::structs::{pool_call_t, pool_error_t, pool_map_options_t, pool_options_t, pool_stats_t};
use super::types::*;
use super::{SIZE_MAX, boundary, catch, invalid, required, utf8, write_error};
use crate::error::{Error, Result, Status};
use std::ffi::c_char;
use std::mem::MaybeUninit;

/// Initializes options like POOL_OPTIONS_INIT, for callers that cannot use the macro.
///
/// @param size  sizeof(pool_options_t). Callers that do not know the struct pass memory of at least
///              1024 bytes, aligned for any type, and its size: a multiple of 8, at most 4096
/// @return POOL_OK; POOL_ERR_INVALID
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_options_init(
    options: *mut pool_options_t,
    size: usize,
) -> pool_status_t {
    // SAFETY: the header: as many bytes.
    boundary(|| unsafe { init(options.cast(), size) })
}

/// Initializes a call like POOL_CALL_INIT.
///
/// @param size  sizeof(pool_call_t), or more, as for pool_options_init
/// @return POOL_OK; POOL_ERR_INVALID
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_call_init(call: *mut pool_call_t, size: usize) -> pool_status_t {
    // SAFETY: the header: as many bytes.
    boundary(|| unsafe { init(call.cast(), size) })
}

/// Initializes the options of a map like POOL_MAP_INIT.
///
/// @param size  sizeof(pool_map_options_t), or more, as for pool_options_init
/// @return POOL_OK; POOL_ERR_INVALID
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_map_options_init(
    options: *mut pool_map_options_t,
    size: usize,
) -> pool_status_t {
    // SAFETY: the header: as many bytes.
    boundary(|| unsafe { init(options.cast(), size) })
}

/// Initializes statistics like POOL_STATS_INIT.
///
/// @param size  sizeof(pool_stats_t)
/// @return POOL_OK; POOL_ERR_INVALID
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_stats_init(stats: *mut pool_stats_t, size: usize) -> pool_status_t {
    // SAFETY: the header: as many bytes.
    boundary(|| unsafe { init(stats.cast(), size) })
}

/// # Safety
/// The header: NULL, or `size` bytes that can be written.
unsafe fn init(start: *mut u64, size: usize) -> Result<()> {
    let is_size = (size_of::<usize>()..=SIZE_MAX).contains(&size) && size.is_multiple_of(8);
    if start.is_null() || !start.is_aligned() || !is_size {
        return Err(invalid("size is not that of the struct"));
    }
    // SAFETY: the caller's promise.
    unsafe { start.cast::<u8>().write_bytes(0, size) };
    // SAFETY: the caller's promise; the size is at least that of a number, and `start` is aligned.
    unsafe { start.cast::<usize>().write(size) };
    Ok(())
}

/// Sets an option by its name, from text: `pool_options_set(&options, "hard_limit_ms", "1000",
/// NULL)`. Numbers are decimal; POOL_FOREVER, POOL_NOW and the enumerators of the option's enum may
/// be given by name; bool options are "true", "false", "1" or "0". Lists, callbacks, and functions
/// with arguments cannot be set this way.
///
/// @param name   name of the field of pool_options_t
/// @param value  the value. The text of a string option is not copied: it must remain valid until
///               pool_new has returned
/// @param error  says what is wrong; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID if there is no such option, or the value is not one of its type
///         (pool_new checks whether it is in range); POOL_ERR_VERSION if the struct is of an older
///         version, and has no such field
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_options_set(
    options: *mut pool_options_t,
    name: *const c_char,
    value: *const c_char,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    // SAFETY: the header: options that begin with their size, and strings.
    write_error(catch(|| unsafe { set(options, name, value, set_option) }), error)
}

/// Sets a field of a call by its name, like pool_options_set: a limit, "retries", "priority", "tag",
/// and "module" and "symbol" for those of its task.
///
/// @param name   name of the field of pool_call_t
/// @param value  the value; a string must remain valid until pool_submit_call has returned
/// @param error  says what is wrong; may be NULL
/// @return as for pool_options_set
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_call_set(
    call: *mut pool_call_t,
    name: *const c_char,
    value: *const c_char,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    // SAFETY: the header: a call that begins with its size, and strings.
    write_error(catch(|| unsafe { set(call, name, value, set_call_field) }), error)
}

/// Sets an option of a map by its name, like pool_options_set.
///
/// @param name   name of the field of pool_map_options_t
/// @param value  the value
/// @param error  says what is wrong; may be NULL
/// @return as for pool_options_set
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_map_options_set(
    options: *mut pool_map_options_t,
    name: *const c_char,
    value: *const c_char,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    // SAFETY: the header: options that begin with their size, and strings.
    write_error(catch(|| unsafe { set(options, name, value, set_map_option) }), error)
}

/// Sets a field of a struct that begins with its size.
///
/// # Safety
/// The header: NULL, or a struct that begins with its size, of which as many bytes can be written;
/// strings that end with NUL, or NULL.
unsafe fn set<T>(
    given: *mut T,
    name: *const c_char,
    value: *const c_char,
    set_field: fn(&mut T, &Text<'_>) -> Result<()>,
) -> Result<()> {
    if given.is_null() || !given.is_aligned() {
        return Err(invalid("the struct is NULL"));
    }
    // SAFETY: the caller's promise: the struct begins with its size.
    let size = unsafe { given.cast::<usize>().read() };
    if size < size_of::<T>() {
        let words = "struct_size is that of an older version: use the ..._init function";
        return Err(Error::new(Status::POOL_ERR_VERSION, words));
    }
    // SAFETY: the caller's promise; zeros and what callers write are values of its C types.
    let fields = unsafe { &mut *given };
    // SAFETY: the caller's promise.
    let field = required(unsafe { utf8(name) }?)?;
    // SAFETY: the caller's promise.
    let text = required(unsafe { utf8(value) }?)?;
    set_field(fields, &Text { field, text, start: value })
}

/// The value of a field, as text.
struct Text<'a> {
    field: &'a str,
    text: &'a str,
    /// The caller's string.
    start: *const c_char,
}

/// A type of fields that can be set.
trait FromText: Sized {
    fn from_text(text: &Text<'_>) -> Result<Self>;
}

impl FromText for *const c_char {
    fn from_text(text: &Text<'_>) -> Result<*const c_char> {
        Ok(text.start)
    }
}

impl FromText for bool {
    fn from_text(text: &Text<'_>) -> Result<bool> {
        match text.text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(text.is_no("true or false")),
        }
    }
}

macro_rules! numbers_from_text {
    ($($number:ty)*) => {$(
        impl FromText for $number {
            fn from_text(text: &Text<'_>) -> Result<$number> {
                let named = NAMED.iter().find(|(name, _)| *name == text.text);
                let number = match named {
                    Some((_, number)) => <$number>::try_from(*number).ok(),
                    None => text.text.parse().ok(),
                };
                number.ok_or_else(|| text.is_no("a number in range"))
            }
        }
    )*};
}

numbers_from_text! { i32 u32 i64 u64 usize }

impl Text<'_> {
    fn is_no(&self, what: &str) -> Error {
        invalid(&format!("{}: {:?} is not {what}", self.field, self.text))
    }

    /// A field that cannot be set, or that does not exist.
    fn unknown(&self) -> Error {
        invalid(&format!("{:?} is no option that can be set by name", self.field))
    }
}

/// The names that stand for numbers. Those of enums are used by few fields, and unmistakable.
const NAMED: [(&str, i64); 28] = {
    use super::enums::pool_on_error::*;
    use super::enums::{pool_driver::*, pool_exit::*, pool_isolation::*, pool_kind::*};
    use super::enums::{pool_on_worker_lost::*, pool_sandbox::*, pool_sched::*, pool_start::*};
    [
        ("POOL_FOREVER", POOL_FOREVER),
        ("POOL_NOW", POOL_NOW),
        ("POOL_PRIORITY_MIN", POOL_PRIORITY_MIN as i64),
        ("POOL_PRIORITY_MAX", POOL_PRIORITY_MAX as i64),
        ("POOL_PROCESS", POOL_PROCESS as i64),
        ("POOL_THREAD", POOL_THREAD as i64),
        ("POOL_INLINE", POOL_INLINE as i64),
        ("POOL_SPAWN", POOL_SPAWN as i64),
        ("POOL_FORKSERVER", POOL_FORKSERVER as i64),
        ("POOL_FORK", POOL_FORK as i64),
        ("POOL_LOST_FAIL_TASK", POOL_LOST_FAIL_TASK as i64),
        ("POOL_LOST_RETRY", POOL_LOST_RETRY as i64),
        ("POOL_LOST_BREAK", POOL_LOST_BREAK as i64),
        ("POOL_EXIT_CANCEL", POOL_EXIT_CANCEL as i64),
        ("POOL_EXIT_DRAIN", POOL_EXIT_DRAIN as i64),
        ("POOL_EXIT_KILL", POOL_EXIT_KILL as i64),
        ("POOL_EXIT_NONE", POOL_EXIT_NONE as i64),
        ("POOL_SCHED_FIFO", POOL_SCHED_FIFO as i64),
        ("POOL_SCHED_PREFETCH", POOL_SCHED_PREFETCH as i64),
        ("POOL_SANDBOX_NONE", POOL_SANDBOX_NONE as i64),
        ("POOL_SANDBOX_COMPUTE", POOL_SANDBOX_COMPUTE as i64),
        ("POOL_SHARED", POOL_SHARED as i64),
        ("POOL_ISOLATED", POOL_ISOLATED as i64),
        ("POOL_DRIVER_INTERNAL", POOL_DRIVER_INTERNAL as i64),
        ("POOL_DRIVER_EXTERNAL", POOL_DRIVER_EXTERNAL as i64),
        ("POOL_ON_ERROR_CONTINUE", POOL_ON_ERROR_CONTINUE as i64),
        ("POOL_ON_ERROR_STOP", POOL_ON_ERROR_STOP as i64),
        ("POOL_ON_ERROR_CANCEL_REST", POOL_ON_ERROR_CANCEL_REST as i64),
    ]
};

/// The setter of a struct's fields by their names.
macro_rules! setter {
    ($function:ident, $struct:ty, $($field:ident)*; $($name:literal => $($path:ident).+,)*) => {
        fn $function(fields: &mut $struct, text: &Text<'_>) -> Result<()> {
            match text.field {
                $(stringify!($field) => fields.$field = FromText::from_text(text)?,)*
                $($name => fields.$($path).+ = FromText::from_text(text)?,)*
                _ => return Err(text.unknown()),
            }
            Ok(())
        }
    };
}

setter! {
    set_option, pool_options_t,
    name kind start min_workers max_workers idle_timeout_ms max_tasks_per_worker
    max_memory_per_worker max_pending soft_limit_ms hard_limit_ms start_timeout_ms kill_grace_ms
    on_worker_lost retries max_restarts restart_window_ms at_exit sched worker_executable cwd driver
    initializer_timeout_ms finalizer_timeout_ms fork_with_threads worker_stdin
    memory_limit_per_worker nice oom_score_adj uid gid no_new_privs soft_limit_signal tick_ms
    sandbox isolation;
}

setter! {
    set_call_field, pool_call_t,
    soft_limit_ms hard_limit_ms start_deadline_ms submit_timeout_ms retries priority tag;
    "module" => task.module,
    "symbol" => task.symbol,
}

setter! {
    set_map_option, pool_map_options_t,
    chunk_size window unordered on_error deadline_ms item_hard_limit_ms;
}
