//! A program that a pool opens when it is made, and executes as it was opened, whatever is installed in its
//! place meanwhile.

use super::modules;
use crate::fd::{self, Descriptor};
use rustix::fs::OFlags;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

pub(crate) struct OpenedProgram {
    pub(super) path: CString,
    /// None where only its path can be executed.
    pub(super) file: Option<Descriptor>,
}

impl OpenedProgram {
    /// Finds the helper program from the folder of the library or of the statically linked program: an
    /// install prefix's lib, a folder in its lib, or its bin.
    pub(crate) fn helper() -> Option<OpenedProgram> {
        let own = modules::own()?.path;
        let folder = own.parent()?;
        let found = ["../libexec", "../../libexec"].iter().find_map(|libexec| {
            let path = folder.join(libexec).join("carpool/carpool-worker");
            rustix::fs::access(&path, rustix::fs::Access::EXEC_OK).is_ok().then_some(path)
        });
        let path = CString::new(found?.into_os_string().into_vec()).ok()?;
        let file = fd::open(&path, OFlags::PATH).ok();
        Some(OpenedProgram { path, file })
    }

    /// Opens a program that the user names; relative paths are from the directory of the workers. A
    /// script is executed by its path, which its interpreter opens.
    pub(crate) fn named(path: CString, directory: Option<&CStr>) -> OpenedProgram {
        let directory = Path::new(OsStr::from_bytes(directory.unwrap_or(c"").to_bytes()));
        let full = directory.join(OsStr::from_bytes(path.to_bytes())).into_os_string().into_vec();
        let open = |full: CString| fd::open(&full, OFlags::NONBLOCK).ok();
        let mut file = CString::new(full).ok().and_then(open);
        let mut start = [0; ELF_MAGIC.len()];
        let is_elf = file.as_ref().is_some_and(|file| {
            rustix::io::pread(file, &mut start, 0) == Ok(start.len()) && &start == ELF_MAGIC
        });
        OpenedProgram { path, file: file.take_if(|_| is_elf) }
    }
}

/// How a program begins that the kernel executes without an interpreter of its text.
const ELF_MAGIC: &[u8; 4] = b"\x7fELF";
