//! The dynamic loader, called as a program itself, which then runs another one. (ld.so(8).)
//!
//! The kernel then takes the loader for this process's program. So it is executed again, with the options
//! that it had and the path of the program to load: for the helper program too, so that all use the same C
//! library.

use super::modules;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The options of the loader, if it was called as a program.
static LOADER_OPTIONS: OnceLock<Option<Vec<CString>>> = OnceLock::new();

/// Notes the options of the loader, before the program changes its arguments and its directory. Called
/// when the library is loaded.
pub(super) fn note_loader() {
    LOADER_OPTIONS.get_or_init(|| {
        modules::is_run_by_loader().then(|| {
            let arguments = std::fs::read("/proc/self/cmdline").unwrap_or_default();
            options_of_loader(&arguments).filter_map(|it| CString::new(it).ok()).collect()
        })
    });
}

/// What the loader must be given to run a program; nothing: the kernel runs it.
pub(super) fn loaded(program: CString) -> Vec<CString> {
    note_loader();
    match LOADER_OPTIONS.get() {
        Some(Some(options)) => options.iter().cloned().chain([program]).collect(),
        _ => Vec::new(),
    }
}

/// The options among the arguments of a loader, each followed by NUL: they are before the program.
/// Relative paths become absolute.
fn options_of_loader(arguments: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments);
    let mut rest = arguments.split(|byte| *byte == 0).skip(1);
    let mut options = Vec::new();
    while let Some(option) = rest.next().filter(|it| it.starts_with(b"--")) {
        let is_of_paths = matches!(option, b"--library-path" | b"--preload" | b"--audit");
        let value = match option {
            b"--argv0" => {
                rest.next();
                continue;
            }
            b"--inhibit-rpath" | b"--glibc-hwcaps-prepend" | b"--glibc-hwcaps-mask" => rest.next(),
            _ if is_of_paths => rest.next(),
            _ => None,
        };
        options.push(option.to_vec());
        let are_folders = option == b"--library-path";
        options.extend(value.map(|value| match is_of_paths {
            true => absolute_paths(value, are_folders),
            false => value.to_vec(),
        }));
    }
    options.into_iter()
}

/// A list of paths with those made absolute that are relative. A name without a slash is looked for,
/// unless it is that of a folder.
fn absolute_paths(list: &[u8], are_folders: bool) -> Vec<u8> {
    let absolute = |path: &[u8]| {
        let is_name = !are_folders && !path.contains(&b'/');
        let path = Path::new(OsStr::from_bytes(path));
        let absolute = std::path::absolute(path).ok().filter(|_| !is_name);
        absolute.map_or_else(|| path.into(), PathBuf::into_os_string).into_vec()
    };
    // The second separator is ld.so's for each.
    let separators = if are_folders { b":;" } else { b": " };
    list.split(|byte| separators.contains(byte)).map(absolute).collect::<Vec<_>>().join(&b':')
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn options_of_a_loader_end_at_the_program() {
        let read = |arguments: &str| {
            let arguments = arguments.replace(' ', "\0") + "\0";
            let options = options_of_loader(arguments.as_bytes());
            let options: Vec<String> =
                options.map(|it| OsString::from_vec(it).into_string().unwrap()).collect();
            options.join(" ")
        };
        let folder = std::env::current_dir().unwrap();
        let folder = folder.to_str().unwrap();
        assert_eq!(read("ld.so ./program --library-path x"), "");
        assert_eq!(
            read("ld.so --inhibit-cache --library-path /a:b --argv0 name program --preload"),
            format!("--inhibit-cache --library-path /a:{folder}/b")
        );
        assert_eq!(
            read("ld.so --preload libname.so:c/d.so --inhibit-rpath e p"),
            format!("--preload libname.so:{folder}/c/d.so --inhibit-rpath e")
        );
        assert_eq!(read("ld.so --library-path"), "--library-path");
        assert_eq!(read(""), "");
    }
}
