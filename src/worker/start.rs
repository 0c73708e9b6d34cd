//! Starting a worker, the parent's end: a thread, or a program executed anew.
//!
//! A worker process runs one of three images. The helper that is installed beside the library opens
//! modules on demand, and knows nothing of the main program. The main program's own image, executed
//! again, has its functions too (see [`super::takeover`]). Or a program that the user names.

use super::inherited::InheritedFds;
use super::resolve::Resolver;
use super::spawn::spawn;
use super::surroundings::ExecContext;
use super::wire::{Channel, Init, Leave, Message};
use super::{ResultFile, Worker, WorkerConfig, boot, module, takeover, threads};
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

/// What worker processes are made of; fixed when the pool is made.
pub(crate) struct ProcessConfig {
    pub(crate) start: StartMethod,
    /// The program that the user names.
    pub(crate) executable: Option<CString>,
    /// None: a copy of the caller keeps what it has.
    pub(crate) environment: Option<Vec<CString>>,
    pub(crate) directory: Option<CString>,
    /// Paths of modules to open at start.
    pub(crate) modules: Vec<String>,
    /// Paths of modules that a template opens where it can.
    pub(crate) preload: Vec<String>,
    pub(crate) inherited: InheritedFds,
    pub(crate) surroundings: ExecContext,
}

/// How a worker process comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartMethod {
    /// A program is executed for each.
    Spawn,
    /// Forked from a template, which is a program that was executed.
    Forkserver,
    /// Forked from a template, which is a copy of the caller.
    Fork { with_threads: bool },
}

/// Which program a worker process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    /// The helper, where it is to be found; else the main program.
    Helper,
    /// The main program.
    Own,
}

/// A worker process that was started.
pub(crate) struct SpawnedProcess {
    pub(crate) pid: Pid,
    /// Becomes readable when the process ends.
    pub(crate) handle: OwnedFd,
}

/// Starts a worker thread with its end of a line, which closes when the thread ends.
pub(crate) fn start_thread(place: &WorkerStart<'_>, line: Channel) -> Result<JoinHandle<()>> {
    let WorkerStart { region, seat, terms, .. } = *place;
    let (region, line) = (region.clone(), Arc::new(line));
    let work = move || {
        let outlet = line.clone();
        let deliver = Box::new(move |parcel: ResultFile| super::send_parcel(&outlet, &parcel));
        let worker = Worker::new(region, seat, terms, Resolver::new(true), deliver);
        let why = match worker.begin() {
            Ok(()) => {
                // Without an initializer it counts as up from the start.
                if worker.has_initializer() {
                    let _ = line.send(&Message::Up, None);
                }
                super::work(&worker, &line)
            }
            Err(failure) => {
                let _ = line.send(&Message::Broken(failure), None);
                Leave::Told
            }
        };
        let _ = line.send(&Message::Bye { why }, None);
    };
    threads::start(place.title(), stack_size(), Box::new(work))
}

/// Where a worker will work, and how.
pub(crate) struct WorkerStart<'a> {
    /// The pool's name.
    pub(crate) name: &'a str,
    pub(crate) region: &'a Arc<Region>,
    pub(crate) seat: SeatIndex,
    pub(crate) terms: WorkerConfig,
}

impl WorkerStart<'_> {
    /// The name of a worker's thread, and the title of its process.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.name, self.seat.0)
    }

    /// What a worker is told here; of the program that it runs nothing is said.
    fn welcome(&self) -> Init {
        Init {
            version: super::version(),
            seat: u64::from(self.seat.0),
            parent: u64::from(std::process::id()),
            is_own_image: true,
            is_template: false,
            geometry: self.region.geometry.to_numbers(),
            terms: WorkerConfig { depth: boot::depth() + 1, scale: clock::scale(), ..self.terms },
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
    recipe: &ProcessConfig,
    image: Image,
    ours: &Channel,
    theirs: &Channel,
) -> Result<SpawnedProcess> {
    execute(place, recipe, image, ours, theirs, ProcessRole::Worker)
}

/// What an executed process is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessRole {
    Worker,
    ForkServerProcess,
}

pub(super) fn execute(
    place: &WorkerStart<'_>,
    recipe: &ProcessConfig,
    image: Image,
    ours: &Channel,
    theirs: &Channel,
    role: ProcessRole,
) -> Result<SpawnedProcess> {
    let region = place.region;
    let program = program(recipe, image)?;
    let welcome = Init {
        is_own_image: program.is_own,
        is_template: role == ProcessRole::ForkServerProcess,
        modules: recipe.modules.join("\0"),
        ..place.welcome()
    };
    region.write_magic();
    ours.send(&Message::Init(welcome), region.file())?;
    if role == ProcessRole::Worker {
        recipe.surroundings.send(ours)?;
    }
    let environment = environment(recipe, &program)?;
    let title = match role {
        ProcessRole::Worker => place.title(),
        ProcessRole::ForkServerProcess => format!("{}/template", place.name),
    };
    let title = CString::new(title).map_err(|_| Status::POOL_ERR_INVALID)?;
    let pid = spawn(&program.path, &title, &environment, recipe, theirs)?;
    with_handle(Pid::from_raw(pid).ok_or(Status::POOL_ERR_OS)?)
}

/// Welcomes a worker that was forked, over its line.
pub(crate) fn welcome(
    place: &WorkerStart<'_>,
    recipe: &ProcessConfig,
    line: &Channel,
) -> Result<()> {
    line.send(&Message::Init(place.welcome()), None)?;
    recipe.surroundings.send(line)
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
    is_own: bool,
    /// The library that has to be brought into it.
    preload: Option<PathBuf>,
}

fn program(recipe: &ProcessConfig, image: Image) -> Result<WorkerProgram> {
    if let Some(path) = &recipe.executable {
        // Functions of "the main program" are looked for in it, and refused by their identity.
        return Ok(WorkerProgram { path: path.clone(), is_own: true, preload: None });
    }
    if image == Image::Helper
        && let Some(path) = helper()
    {
        return Ok(WorkerProgram { path, is_own: false, preload: None });
    }
    let own = module::own().ok_or(Status::POOL_ERR_OS)?;
    let is_linked = own.is_main || takeover::main_program_needs(SONAME);
    let preload = (!is_linked).then_some(own.path);
    let separators =
        |path: &PathBuf| path.as_os_str().as_bytes().iter().any(|it| b" :".contains(it));
    if preload.as_ref().is_some_and(separators) {
        let words = "functions of a main program that is not linked with libcarpool.so cannot run in worker processes while the library's path has a space or a colon in it; link the program with the library";
        return Err(Error::new(Status::POOL_ERR_FUNCTION, words));
    }
    // This very program, even when its file has been replaced meanwhile.
    Ok(WorkerProgram { path: c"/proc/self/exe".into(), is_own: true, preload })
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
pub(crate) fn check_own_image(recipe: &ProcessConfig) -> Result<()> {
    if matches!(recipe.start, StartMethod::Fork { .. }) {
        return Ok(());
    }
    program(recipe, Image::Own).map(drop)
}

/// The environment of the worker, with the library where it has to be brought in.
fn environment(recipe: &ProcessConfig, program: &WorkerProgram) -> Result<Vec<CString>> {
    let mut entries = recipe.environment.clone().unwrap_or_default();
    let Some(library) = &program.preload else { return Ok(entries) };
    let prefix = joined(boot::PRELOAD.into(), OsString::new()).into_vec();
    let before = entries.iter().position(|entry| entry.as_bytes().starts_with(&prefix));
    let mut value = library.clone().into_os_string();
    if let Some(place) = before {
        value.push(":");
        value.push(std::ffi::OsStr::from_bytes(&entries.remove(place).as_bytes()[prefix.len()..]));
    }
    let entry = CString::new(joined(boot::PRELOAD.into(), value).into_vec());
    entries.push(entry.map_err(|_| Status::POOL_ERR_INVALID)?);
    Ok(entries)
}

fn joined(mut name: OsString, value: OsString) -> OsString {
    name.push("=");
    name.push(value);
    name
}
