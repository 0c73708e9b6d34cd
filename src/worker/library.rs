//! A shared library that is open, by the loader's handle. None is ever closed.

use std::ffi::{CStr, CString, c_int, c_void};

#[derive(Clone, Copy)]
pub(super) struct OpenLibrary(*mut c_void);

// SAFETY: the loader's functions may be called with the same handle from any thread.
unsafe impl Send for OpenLibrary {}
// SAFETY: as above.
unsafe impl Sync for OpenLibrary {}

impl OpenLibrary {
    /// The main program, with what it was linked with.
    pub(super) fn main_program() -> OpenLibrary {
        // SAFETY: the main program is loaded already: no code of it runs.
        OpenLibrary(unsafe { libc::dlopen(std::ptr::null(), libc::RTLD_NOW) })
    }

    /// Opens a library for good; the loader's own words where it cannot be opened.
    pub(super) fn open(path: &[u8], flags: c_int) -> Result<OpenLibrary, String> {
        let path = CString::new(path).map_err(|_| "the path holds a NUL")?;
        let flags = flags | libc::RTLD_NOW | libc::RTLD_NODELETE;
        // SAFETY: opening runs the module's constructors: that is what the submitter asks for.
        let handle = unsafe { libc::dlopen(path.as_ptr(), flags) };
        if handle.is_null() { Err(dl_error()) } else { Ok(OpenLibrary(handle)) }
    }

    /// Where the symbol is. None also for one that stands for nothing.
    pub(super) fn address_of(self, symbol: &CStr) -> Option<usize> {
        // SAFETY: a handle of the loader's, and a string that ends with NUL; nothing of it is called.
        let found = unsafe { libc::dlsym(self.0, symbol.as_ptr()) };
        (!found.is_null()).then_some(found as usize)
    }

    /// Where it is loaded, and its dynamic section.
    pub(super) fn place(self) -> Option<(usize, usize)> {
        #[repr(C)]
        struct LinkMap {
            base: usize,
            name: *const libc::c_char,
            dynamic: usize,
        }
        let mut map: *const LinkMap = std::ptr::null();
        // SAFETY: RTLD_DI_LINKMAP stores a pointer to the loader's entry of this handle.
        let answer = unsafe { libc::dlinfo(self.0, libc::RTLD_DI_LINKMAP, (&raw mut map).cast()) };
        if answer != 0 || map.is_null() {
            return None;
        }
        // SAFETY: the loader's entry of a library that stays loaded.
        let map = unsafe { &*map };
        Some((map.base, map.dynamic))
    }
}

/// Why the loader's last call in this thread failed.
fn dl_error() -> String {
    // SAFETY: the loader's answer is NULL, or a string that lives until this thread calls it again.
    let words = unsafe { libc::dlerror() };
    if words.is_null() {
        return "the loader does not say why".to_owned();
    }
    // SAFETY: as above.
    let words = unsafe { CStr::from_ptr(words) };
    words.to_string_lossy().into_owned()
}
