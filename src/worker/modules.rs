//! The modules that are loaded in this process: what the dynamic loader knows of the main program
//! and its shared libraries, and which build of each it is.

use super::dl_lock::DlGuard;
use crate::board::functions::{IDENTITY_LEN, Identity};
use std::ffi::{CStr, CString, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A loaded module.
pub(crate) struct Module {
    /// As the loader names it. Of the main program, `own` alone tells it.
    pub(crate) path: PathBuf,
    pub(crate) is_main: bool,
    /// What is added to the addresses in the file.
    pub(crate) base: usize,
    pub(crate) identity: Identity,
    code: Vec<(usize, usize)>,
}

impl Module {
    /// Whether there is code at the address, and not data.
    pub(crate) fn has_code_at(&self, address: usize) -> bool {
        self.code.iter().any(|(start, end)| (*start..*end).contains(&address))
    }
}

/// The module that an address lies in.
pub(crate) fn at(address: usize) -> Option<Module> {
    find(|headers, _| {
        headers.loads().any(|(start, len, _)| (start..start + len).contains(&address))
    })
}

/// The main program.
pub(crate) fn main_program() -> Option<Module> {
    find(|_, is_main| is_main)
}

/// The module that this library is: a shared one, or the program that it is linked into.
pub(crate) fn own() -> Option<Module> {
    let mut own = at(own as fn() -> Option<Module> as usize)?;
    if own.is_main {
        own.path = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    }
    Some(own)
}

fn find(mut is_it: impl FnMut(&ProgramHeaders, bool) -> bool) -> Option<Module> {
    let mut found = None;
    let mut is_main = true;
    let mut visit = |headers: &ProgramHeaders| {
        // The loader names the main program first.
        let is_main = std::mem::replace(&mut is_main, false);
        if !is_it(headers, is_main) {
            return false;
        }
        found = Some(Module {
            path: if is_main { PathBuf::new() } else { headers.path() },
            is_main,
            base: headers.0.dlpi_addr as usize,
            identity: headers.identity(),
            code: headers
                .loads()
                .filter(|(_, _, flags)| flags & libc::PF_X != 0)
                .map(|(start, len, _)| (start, start + len))
                .collect(),
        });
        true
    };
    let mut visit: &mut dyn FnMut(&ProgramHeaders) -> bool = &mut visit;
    let _inside = DlGuard::enter();
    let data = (&raw mut visit).cast::<c_void>();
    // SAFETY: `call` gets `data` back as the reference that it was, only while this call lasts.
    unsafe { libc::dl_iterate_phdr(Some(call), data) };
    found
}

unsafe extern "C" fn call(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: `data` is what `find` gave: a reference to its visitor.
    let visit = unsafe { &mut *data.cast::<&mut dyn FnMut(&ProgramHeaders) -> bool>() };
    // SAFETY: the loader calls with a description that is valid for the call.
    let headers = ProgramHeaders(unsafe { &*info });
    c_int::from(visit(&headers))
}

/// The program headers of one module, as the loader gives them.
struct ProgramHeaders<'a>(&'a libc::dl_phdr_info);

impl ProgramHeaders<'_> {
    fn path(&self) -> PathBuf {
        if self.0.dlpi_name.is_null() {
            return PathBuf::new();
        }
        // SAFETY: a name that the loader keeps, ended by NUL.
        let name = unsafe { CStr::from_ptr(self.0.dlpi_name) };
        let path = Path::new(OsStr::from_bytes(name.to_bytes()));
        std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
    }

    fn all(&self) -> &[libc::Elf64_Phdr] {
        let count = usize::from(self.0.dlpi_phnum);
        // SAFETY: the loader's table of so many headers, mapped as long as the module is.
        unsafe { std::slice::from_raw_parts(self.0.dlpi_phdr, count) }
    }

    /// The parts of the module that are in memory: address, length, flags.
    fn loads(&self) -> impl Iterator<Item = (usize, usize, u32)> {
        self.parts(libc::PT_LOAD)
    }

    fn parts(&self, kind: u32) -> impl Iterator<Item = (usize, usize, u32)> {
        let base = self.0.dlpi_addr as usize;
        self.all().iter().filter(move |header| header.p_type == kind).map(move |header| {
            (base.wrapping_add(header.p_vaddr as usize), header.p_memsz as usize, header.p_flags)
        })
    }

    fn identity(&self) -> Identity {
        let mut identity = [0; IDENTITY_LEN];
        match self.build_id() {
            Some(id) => {
                let len = id.len().min(IDENTITY_LEN);
                identity[..len].copy_from_slice(&id[..len]);
            }
            None => {
                // Linked without a build id: a digest of the code serves as one. 0xff.. keeps it
                // apart from ids.
                identity[..8].copy_from_slice(&self.code_digest().to_le_bytes());
                identity[IDENTITY_LEN - 8..].fill(0xff);
            }
        }
        identity
    }

    /// The note that the linker left: NT_GNU_BUILD_ID, of the owner "GNU".
    fn build_id(&self) -> Option<&[u8]> {
        self.parts(libc::PT_NOTE).find_map(|(start, len, _)| {
            // SAFETY: a part of the module that the loader has mapped for reading.
            let mut notes = unsafe { std::slice::from_raw_parts(start as *const u8, len) };
            while let Some((kind, owner, text, rest)) = split_note(notes) {
                if kind == 3 && owner == b"GNU\0" {
                    return Some(text);
                }
                notes = rest;
            }
            None
        })
    }

    /// FNV-1a over the code, eight bytes at a time. (Fowler, Noll, Vo: hash functions, 64 bits.)
    fn code_digest(&self) -> u64 {
        let mut digest = 0xcbf2_9ce4_8422_2325_u64;
        for (start, len, flags) in self.loads() {
            if flags & (libc::PF_X | libc::PF_R) != libc::PF_X | libc::PF_R {
                continue;
            }
            // SAFETY: a part of the module that the loader has mapped for reading.
            let code = unsafe { std::slice::from_raw_parts(start as *const u8, len) };
            for bytes in code.chunks(8) {
                let word = bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
                digest = (digest ^ word).wrapping_mul(0x100_0000_01b3);
            }
        }
        digest
    }
}

/// A note's kind, its owner, its text, and what follows it.
type ElfNote<'a> = (u32, &'a [u8], &'a [u8], &'a [u8]);

/// An ELF note: lengths of owner and text, kind, then both, each padded to 4 bytes.
fn split_note(notes: &[u8]) -> Option<ElfNote<'_>> {
    let (lengths, rest) = notes.split_at_checked(12)?;
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| lengths[at + byte]));
    let (owner_len, text_len, kind) = (word(0) as usize, word(4) as usize, word(8));
    let (owner, rest) = rest.split_at_checked(owner_len.next_multiple_of(4))?;
    let text = rest.get(..text_len)?;
    let rest = rest.get(text_len.next_multiple_of(4)..).unwrap_or(&[]);
    Some((kind, owner.get(..owner_len)?, text, rest))
}

/// A shared library that is open, by the handle of the loader. None is ever closed.
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_code_is_told_from_one_of_data() {
        static DATA: u32 = 7;
        let module = own().unwrap();
        assert!(module.has_code_at(own as fn() -> Option<Module> as usize));
        assert!(!module.has_code_at(&raw const DATA as usize));
        assert!(module.is_main && module.path.exists());
    }

    #[test]
    fn modules_are_told_apart() {
        let main = main_program().unwrap();
        let libc = at(libc::getpid as *const () as usize).unwrap();
        assert!(!libc.is_main && libc.path.exists());
        assert_ne!(main.identity, libc.identity);
        assert!(at(0).is_none());
    }

    #[test]
    fn a_broken_note_ends_the_search() {
        assert!(split_note(&[]).is_none());
        assert!(split_note(&[0xff; 64]).is_none());
    }
}
