//! The library's own threads: how they are started and recognised.
//!
//! A forked copy of a process has a single thread. The library does not need its own threads there;
//! other threads may have held locks that stay locked in the copy.

use crate::error::{Error, Result, Status};
use crate::process;
use crate::sync::Ordering::Relaxed;
use crate::sync::plain::AtomicU64;
use rustix::mm::{MapFlags, ProtFlags};
use std::ffi::c_int;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

/// The threads: the fork generation plus one in the upper half, the thread id in the lower; 0:
/// vacant. There is no lock, because a forked copy could find it locked.
static OWN: [AtomicU64; OWN_MAX] = [const { AtomicU64::new(0) }; OWN_MAX];
/// Two for each possible pool. A thread that does not fit counts as one of the user's.
const OWN_MAX: usize = 1 << 13;

/// While it lives, the current thread counts as the library's own.
pub(super) struct OwnThread(usize);

impl OwnThread {
    pub(super) fn enter() -> OwnThread {
        let entry = entry_of(this_thread());
        let indexes = (0..OWN_MAX).map(|step| (entry as usize + step) % OWN_MAX);
        let is_taken = |index: &usize| {
            let before = OWN[*index].load(Relaxed);
            // An entry of another generation is vacant: a forked child does not have the thread.
            let is_free = before == 0 || before >> 32 != entry >> 32;
            is_free && OWN[*index].compare_exchange(before, entry, Relaxed, Relaxed).is_ok()
        };
        OwnThread(indexes.into_iter().find(is_taken).unwrap_or(OWN_MAX))
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        if let Some(entry) = OWN.get(self.0) {
            entry.store(0, Relaxed);
        }
    }
}

fn this_thread() -> i32 {
    // SAFETY: the call only returns a number.
    unsafe { libc::gettid() }
}

fn entry_of(thread: i32) -> u64 {
    // Plus one, so that no entry is 0.
    u64::from(process::fork_generation().wrapping_add(1)) << 32 | u64::from(thread as u32)
}

/// Runs `start` with all signals blocked, so that a thread that it starts never runs the program's
/// signal handlers.
pub(super) fn signals_blocked<T>(start: impl FnOnce() -> T) -> T {
    let mut all = std::mem::MaybeUninit::uninit();
    let mut before = std::mem::MaybeUninit::uninit();
    // SAFETY: fills in the set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: reads a set that was filled in, and fills in the other one.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr()) };
    let started = start();
    // SAFETY: the set that the call above has filled in.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    started
}

/// Starts a thread that counts as the library's own.
pub(crate) fn start_own_thread(
    name: String,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>> {
    let work = move || {
        let _known = OwnThread::enter();
        refuse_cancellation();
        work();
    };
    // The stack size of C's own threads: a copy of the caller that the supervisor forks runs tasks
    // on this stack.
    start(name, stack_size(), Box::new(work))
}

/// From now on `pthread_cancel` has no effect on this thread, unless a task allows it: it would act when
/// the task has returned, too.
pub(super) fn refuse_cancellation() {
    const DISABLE: c_int = 1;
    unsafe extern "C" {
        fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    }
    // SAFETY: changes the calling thread; NULL: the state before is not wanted.
    unsafe { pthread_setcancelstate(DISABLE, std::ptr::null_mut()) };
}

/// Starts a thread that runs none of the program's signal handlers.
pub(super) fn start(
    name: String,
    stack_size: usize,
    work: Box<dyn FnOnce() + Send>,
) -> Result<JoinHandle<()>> {
    let builder = std::thread::Builder::new().name(name.clone()).stack_size(stack_size);
    let started = signals_blocked(|| builder.spawn(work));
    started.map_err(|error| {
        let mut message = format!("starting the thread {name}: {error}");
        if !may_map(stack_size) {
            let kib = stack_size >> 10;
            message += &format!(": the program locks its memory, and RLIMIT_MEMLOCK leaves no {kib} KiB for a stack (RLIMIT_STACK)");
        }
        Error::from_peer(Status::POOL_ERR_OS, error.raw_os_error().unwrap_or(0), message)
    })
}

/// False: a mapping of this length would be locked (mlockall), and the program may not lock so much.
/// EAGAIN of mmap(2) says just that.
fn may_map(len: usize) -> bool {
    let (access, flags) = (ProtFlags::empty(), MapFlags::PRIVATE);
    // SAFETY: the kernel chooses the address, so nothing that exists is replaced.
    match unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), len, access, flags) } {
        Ok(start) => {
            // SAFETY: the mapping just made, to which nothing refers.
            let _ = unsafe { rustix::mm::munmap(start, len) };
            true
        }
        Err(errno) => errno != rustix::io::Errno::AGAIN,
    }
}

/// How often threads are counted until there are none. A thread that has just started may not be
/// recognised yet, and one that has just ended may still be listed.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(2);

/// The number of threads other than the caller's and the library's own.
pub(super) fn count_others() -> Result<usize> {
    let mut count = 0;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        count = count_others_now()?;
        if count == 0 {
            break;
        }
    }
    Ok(count)
}

fn count_others_now() -> Result<usize> {
    let own = this_thread();
    let is_other = |thread: i32| {
        let entry = entry_of(thread);
        thread != own && OWN.iter().all(|known| known.load(Relaxed) != entry)
    };
    let failed = |error: std::io::Error| {
        let errno = rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO);
        Error::os("counting threads in /proc/self/task", errno)
    };
    let has_own_ids = process::has_own_proc();
    let mut count = 0;
    for entry in std::fs::read_dir("/proc/self/task").map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let thread = match has_own_ids {
            true => entry.file_name().to_str().and_then(|name| name.parse().ok()),
            false => id_in_own_namespace(&entry.path()),
        };
        count += usize::from(thread.is_some_and(is_other));
    }
    Ok(count)
}

/// The id that a thread has for itself, from its folder in the /proc of another PID namespace.
/// (proc_pid_status(5): the last number of NSpid.) None: it has ended.
fn id_in_own_namespace(folder: &Path) -> Option<i32> {
    let status = std::fs::read_to_string(folder.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace().next_back()?.parse().ok()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn own_threads_are_recognised() {
        // Tests run in threads, so there are other threads too, and their number changes.
        let (begun, has_begun) = channel();
        let (end, ends) = channel::<()>();
        let thread = std::thread::spawn(move || {
            let known = OwnThread::enter();
            begun.send(entry_of(this_thread())).unwrap();
            let _ = ends.recv();
            drop(known);
        });
        let entry = has_begun.recv().unwrap();
        let is_known = || OWN.iter().any(|known| known.load(Relaxed) == entry);
        assert!(is_known());
        drop(end);
        thread.join().unwrap();
        assert!(!is_known());
        assert!(count_others_now().is_ok());
        let folder = format!("/proc/self/task/{}", this_thread());
        assert_eq!(id_in_own_namespace(Path::new(&folder)), Some(this_thread()));
    }
}

/// The stack size of C's own threads: the limit of the process. Memory is used where the stack is
/// touched.
pub(super) fn stack_size() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    limit.unwrap_or(8 << 20).clamp(1 << 20, 64 << 20) as usize
}
