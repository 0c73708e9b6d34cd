//! What a worker process executes: the helper program, the main program again, or one that the user
//! names.
//!
//! The helper program is installed beside the library, opens modules on demand, and knows nothing of the
//! main program. It is opened in pool_new and executed as it was opened, by its descriptor: a pool runs
//! one build of it, whatever is installed meanwhile. So is a program that the user names. The libraries
//! that they load are found by path: workers tell when these are of another build.

use super::config::{Image, ProcessConfig};
use super::loader::loaded;
use super::opened_program::OpenedProgram;
use super::{main_hook, modules};
use crate::error::{Error, Result, Status};
use crate::fd::Descriptor;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The program of this process, also if its file was replaced meanwhile.
pub(super) const OWN_PROGRAM: &CStr = c"/proc/self/exe";

/// The soname of this library, which the Makefile sets.
const SONAME: &CStr = c"libcarpool.so.0";

/// What a worker process executes.
pub(super) struct WorkerProgram<'a> {
    pub(super) path: CString,
    /// The program, if it was opened before.
    pub(super) file: Option<&'a Descriptor>,
    /// What the loader gets, if that is what is executed: its options, and the program to load.
    pub(super) loaded: Vec<CString>,
    pub(super) is_main_program: bool,
    /// The path of the library, if it must be preloaded.
    pub(super) preload: Option<PathBuf>,
}

impl WorkerProgram<'_> {
    /// What messages call it.
    pub(super) fn name(&self) -> &CStr {
        self.loaded.last().unwrap_or(&self.path)
    }
}

pub(super) fn program(process_config: &ProcessConfig, image: Image) -> Result<WorkerProgram<'_>> {
    if let Some(OpenedProgram { path, file }) = &process_config.executable {
        // Functions of the main program are looked up in it, and refused if its identity differs.
        return Ok(WorkerProgram {
            path: path.clone(),
            file: file.as_ref(),
            loaded: Vec::new(),
            is_main_program: true,
            preload: None,
        });
    }
    match &process_config.helper {
        Some(helper) if image == Image::Helper => Ok(helper_program(helper)),
        _ => main_program(),
    }
}

/// The program of a fork server that executes another one for each worker.
pub(super) fn server_program(process_config: &ProcessConfig) -> Result<WorkerProgram<'_>> {
    match &process_config.helper {
        Some(helper) => Ok(helper_program(helper)),
        None => program(process_config, Image::MainProgram),
    }
}

fn helper_program(helper: &OpenedProgram) -> WorkerProgram<'_> {
    let loaded = loaded(helper.path.clone());
    let path = if loaded.is_empty() { helper.path.clone() } else { OWN_PROGRAM.into() };
    let file = helper.file.as_ref().filter(|_| loaded.is_empty());
    WorkerProgram { path, file, loaded, is_main_program: false, preload: None }
}

fn main_program() -> Result<WorkerProgram<'static>> {
    let own = modules::own().ok_or(Status::POOL_ERR_OS)?;
    let is_linked = own.is_main || main_hook::main_program_needs(SONAME);
    let preload = (!is_linked).then_some(own.path);
    let separators =
        |path: &PathBuf| path.as_os_str().as_bytes().iter().any(|it| b" :".contains(it));
    if preload.as_ref().is_some_and(separators) {
        let message = "functions of a main program that is not linked with libcarpool.so cannot run in worker processes while the library's path has a space or a colon in it; link the program with the library";
        return Err(Error::new(Status::POOL_ERR_FUNCTION, message));
    }
    let file = modules::main_program_file().into_os_string().into_vec();
    let loaded = loaded(CString::new(file).map_err(|_| Status::POOL_ERR_OS)?);
    let path = OWN_PROGRAM.into();
    Ok(WorkerProgram { path, file: None, loaded, is_main_program: true, preload })
}

/// Fails when worker processes cannot run functions of the main program.
pub(crate) fn check_main_program(process_config: &ProcessConfig) -> Result<()> {
    if process_config.is_copy() {
        return Ok(());
    }
    program(process_config, Image::MainProgram).map(drop)
}
