//! Starting a worker, the parent's end: a thread, or a program executed anew.
//!
//! A worker process runs one of three images. The helper that is installed beside the library opens
//! modules on demand, and knows nothing of the main program. The main program's own image, executed
//! again, has its functions too (see [`super::main_hook`]). Or a program that the user names.

use super::exec_context::ExecContext;
use super::inherit_fds::InheritedFds;
use super::protocol::{Channel, Init, Leave, Message};
use super::resolve::Resolver;
use super::spawn::spawn;
use super::{ResultFile, Worker, WorkerConfig, child, main_hook, module, threads};
use crate::board::Region;
use crate::board::slot::SeatIndex;
use crate::clock;
use crate::error::{Error, Result, Status};
use rustix::process::{Pid, PidfdFlags};
use std::ffi::{CStr, CString, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

/// A worker process that was started.
pub(crate) struct SpawnedProcess {
    pub(crate) pid: Pid,
    /// Becomes readable when the process ends.
    pub(crate) handle: OwnedFd,
}

/// Starts a worker thread with its end of a line, which closes when the thread ends.
pub(crate) fn start_thread(place: &WorkerStart<'_>, channel: Channel) -> Result<JoinHandle<()>> {
    let WorkerStart { region, seat, worker_config: config, .. } = *place;
    let (region, channel) = (region.clone(), Arc::new(channel));
    let work = move || {
        let outlet = channel.clone();
        let deliver =
            Box::new(move |result_file: ResultFile| super::send_result_file(&outlet, &result_file));
        let worker = Worker::new(region, seat, config, Resolver::new(true), deliver);
        let why = match worker.begin() {
            Ok(()) => {
                // Without an initializer it counts as up from the start.
                if worker.has_initializer() {
                    let _ = channel.send(&Message::Ready, None);
                }
                super::work(&worker, &channel)
            }
            Err(failure) => {
                let _ = channel.send(&Message::HookFailed(failure), None);
                Leave::Requested
            }
        };
        let _ = channel.send(&Message::Exiting { why }, None);
    };
    threads::start(place.title(), stack_size(), Box::new(work))
}

/// Where a worker will work, and how.
pub(crate) struct WorkerStart<'a> {
    /// The pool's name.
    pub(crate) name: &'a str,
    pub(crate) region: &'a Arc<Region>,
    pub(crate) seat: SeatIndex,
    pub(crate) worker_config: WorkerConfig,
}

impl WorkerStart<'_> {
    /// The name of a worker's thread, and the title of its process.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.name, self.seat.0)
    }

    /// What a worker is told here; of the program that it runs nothing is said.
    fn init(&self) -> Init {
        Init {
            version: super::version(),
            seat: u64::from(self.seat.0),
            parent: u64::from(std::process::id()),
            is_main_program: true,
            is_fork_server: false,
            geometry: self.region.geometry.to_numbers(),
            worker_config: WorkerConfig {
                depth: child::depth() + 1,
                scale: clock::scale(),
                ..self.worker_config
            },
            modules: String::new(),
        }
    }
}

/// The stack that C's own threads get: the limit of the process. Costs memory where it is touched.
pub(super) fn stack_size() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    limit.unwrap_or(8 << 20).clamp(1 << 20, 64 << 20) as usize
}

/// Starts a worker process with its end of a line. It finds its welcome when it looks there.
pub(crate) fn start_process(
    place: &WorkerStart<'_>,
    process_config: &ProcessConfig,
    image: Image,
    ours: &Channel,
    theirs: &Channel,
) -> Result<SpawnedProcess> {
    execute(place, process_config, image, ours, theirs, ProcessRole::Worker)
}

/// What an executed process is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessRole {
    Worker,
    ForkServerProcess,
}

pub(super) fn execute(
    place: &WorkerStart<'_>,
    process_config: &ProcessConfig,
    image: Image,
    ours: &Channel,
    theirs: &Channel,
    role: ProcessRole,
) -> Result<SpawnedProcess> {
    let region = place.region;
    let program = program(process_config, image)?;
    let init = Init {
        is_main_program: program.is_main_program,
        is_fork_server: role == ProcessRole::ForkServerProcess,
        modules: process_config.modules.join("\0"),
        ..place.init()
    };
    region.write_magic();
    ours.send(&Message::Init(init), region.file())?;
    if role == ProcessRole::Worker {
        process_config.exec_context.send(ours)?;
    }
    let environment = environment(process_config, &program)?;
    let title = match role {
        ProcessRole::Worker => place.title(),
        ProcessRole::ForkServerProcess => format!("{}/template", place.name),
    };
    let title = CString::new(title).map_err(|_| Status::POOL_ERR_INVALID)?;
    let pid = spawn(&program.path, &title, &environment, process_config, theirs)?;
    with_handle(Pid::from_raw(pid).ok_or(Status::POOL_ERR_OS)?)
}

/// Welcomes a worker that was forked, over its line.
pub(crate) fn send_init(
    place: &WorkerStart<'_>,
    process_config: &ProcessConfig,
    channel: &Channel,
) -> Result<()> {
    channel.send(&Message::Init(place.init()), None)?;
    process_config.exec_context.send(channel)
}

/// A child that was just started, with its handle.
pub(super) fn with_handle(pid: Pid) -> Result<SpawnedProcess> {
    // Nobody else waits for the process, so its number is still its own.
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => Ok(SpawnedProcess { pid, handle }),
        Err(errno) => {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            Err(Error::os("pidfd_open", errno))
        }
    }
}

struct WorkerProgram {
    path: CString,
    is_main_program: bool,
    /// The library that has to be brought into it.
    preload: Option<PathBuf>,
}

fn program(process_config: &ProcessConfig, image: Image) -> Result<WorkerProgram> {
    if let Some(path) = &process_config.executable {
        // Functions of "the main program" are looked for in it, and refused by their identity.
        return Ok(WorkerProgram { path: path.clone(), is_main_program: true, preload: None });
    }
    if image == Image::Helper
        && let Some(path) = helper()
    {
        return Ok(WorkerProgram { path, is_main_program: false, preload: None });
    }
    let own = module::own().ok_or(Status::POOL_ERR_OS)?;
    let is_linked = own.is_main || main_hook::main_program_needs(SONAME);
    let preload = (!is_linked).then_some(own.path);
    let separators =
        |path: &PathBuf| path.as_os_str().as_bytes().iter().any(|it| b" :".contains(it));
    if preload.as_ref().is_some_and(separators) {
        let words = "functions of a main program that is not linked with libcarpool.so cannot run in worker processes while the library's path has a space or a colon in it; link the program with the library";
        return Err(Error::new(Status::POOL_ERR_FUNCTION, words));
    }
    // This very program, even when its file has been replaced meanwhile.
    Ok(WorkerProgram { path: c"/proc/self/exe".into(), is_main_program: true, preload })
}

/// The name by which programs ask the loader for this library; the Makefile links it so.
const SONAME: &CStr = c"libcarpool.so.0";

/// The helper's path, seen from the folder that the library or the statically linked program is in:
/// an install prefix's lib, a folder in its lib, or its bin.
fn helper() -> Option<CString> {
    let own = module::own()?.path;
    let folder = own.parent()?;
    let found = ["../libexec", "../../libexec"].iter().find_map(|libexec| {
        let path = folder.join(libexec).join("carpool/carpool-worker");
        rustix::fs::access(&path, rustix::fs::Access::EXEC_OK).is_ok().then_some(path)
    });
    CString::new(found?.into_os_string().into_vec()).ok()
}

/// The environment of this process, as it is now.
pub(crate) fn own_environment() -> Vec<CString> {
    std::env::vars_os()
        .map(|(name, value)| joined(name, value))
        .filter_map(|entry| CString::new(entry.into_vec()).ok())
        .collect()
}

/// Whether worker processes can run functions of the main program; else why not.
pub(crate) fn check_main_program(process_config: &ProcessConfig) -> Result<()> {
    if matches!(process_config.start, StartMethod::Fork { .. }) {
        return Ok(());
    }
    program(process_config, Image::MainProgram).map(drop)
}

/// The environment of the worker, with the library where it has to be brought in.
fn environment(process_config: &ProcessConfig, program: &WorkerProgram) -> Result<Vec<CString>> {
    let mut entries = process_config.environment.clone().unwrap_or_default();
    let Some(library) = &program.preload else { return Ok(entries) };
    let prefix = joined(child::PRELOAD.into(), OsString::new()).into_vec();
    let before = entries.iter().position(|entry| entry.as_bytes().starts_with(&prefix));
    let mut value = library.clone().into_os_string();
    if let Some(place) = before {
        value.push(":");
        value.push(std::ffi::OsStr::from_bytes(&entries.remove(place).as_bytes()[prefix.len()..]));
    }
    let entry = CString::new(joined(child::PRELOAD.into(), value).into_vec());
    entries.push(entry.map_err(|_| Status::POOL_ERR_INVALID)?);
    Ok(entries)
}

fn joined(mut name: OsString, value: OsString) -> OsString {
    name.push("=");
    name.push(value);
    name
}
