//! The loaded modules of this process: the main program and its shared libraries.

use super::dl_lock::DlGuard;
use crate::board::functions::{IDENTITY_LEN, Identity};
use libloading::os::unix::Library;
use std::error::Error;
use std::ffi::{CStr, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A loaded module.
pub(crate) struct Module {
    /// Its path in the loader's list; empty for the main program, except from [`own`].
    pub(crate) path: PathBuf,
    pub(crate) is_main: bool,
    /// The load address: what is added to the addresses in the file.
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

/// The module of this library: a shared library, or the program that it is linked into.
pub(crate) fn own() -> Option<Module> {
    let mut own = at(own as fn() -> Option<Module> as usize)?;
    if own.is_main {
        own.path = main_program_file();
    }
    Some(own)
}

/// The build of this library: the first bytes of its identity, which is a hash. 0: it is linked into
/// the main program.
pub(super) fn library_build() -> u64 {
    static LIBRARY: OnceLock<u64> = OnceLock::new();
    let find = || at(own as fn() -> Option<Module> as usize).filter(|own| !own.is_main);
    let build = |own: Module| own.identity.first_chunk().map_or(0, |it| u64::from_le_bytes(*it));
    *LIBRARY.get_or_init(|| find().map_or(0, build))
}

/// The file of the main program.
pub(crate) fn main_program_file() -> PathBuf {
    let exe = || std::fs::read_link("/proc/self/exe").ok();
    let found = if is_run_by_loader() { mapped_file(headers_of_main()) } else { exe() };
    found.unwrap_or_default()
}

/// Whether this process executes the dynamic loader, which has loaded the main program: the kernel has
/// then loaded no interpreter beside it, though the program names one. (getauxval(3): AT_BASE.)
pub(super) fn is_run_by_loader() -> bool {
    // SAFETY: the call only reads the auxiliary vector, which the kernel has written.
    let has_interpreter = unsafe { libc::getauxval(libc::AT_BASE) != 0 };
    let mut names_one = false;
    if !has_interpreter {
        find(|headers, is_main| {
            names_one |= is_main && headers.parts(libc::PT_INTERP).next().is_some();
            false
        });
    }
    names_one
}

/// The address of the main program's headers.
fn headers_of_main() -> usize {
    let mut address = 0;
    find(|headers, is_main| {
        if is_main {
            address = headers.0.dlpi_phdr as usize;
        }
        false
    });
    address
}

/// The path of the file that is mapped at an address, without what the kernel adds when that was
/// removed or replaced. (proc_pid_maps(5).)
fn mapped_file(address: usize) -> Option<PathBuf> {
    let maps = std::fs::read("/proc/self/maps").ok()?;
    let line = maps.split(|byte| *byte == b'\n').find(|line| {
        let range = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let range = std::str::from_utf8(range).ok().and_then(|it| it.split_once('-'));
        let number = |text| usize::from_str_radix(text, 16).ok();
        let range = range.and_then(|(start, end)| Some(number(start)?..number(end)?));
        range.is_some_and(|range| range.contains(&address))
    })?;
    let path = &line[line.iter().position(|byte| *byte == b'/')?..];
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

fn find(mut is_it: impl FnMut(&ProgramHeaders, bool) -> bool) -> Option<Module> {
    let mut found = None;
    let mut is_main = true;
    let mut visit = |headers: &ProgramHeaders| {
        // The loader lists the main program first.
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
    // SAFETY: `call` converts `data` back to the reference that it was, only during this call.
    unsafe { libc::dl_iterate_phdr(Some(call), data) };
    found
}

unsafe extern "C" fn call(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: `data` comes from `find`: a reference to its visitor.
    let visit = unsafe { &mut *data.cast::<&mut dyn FnMut(&ProgramHeaders) -> bool>() };
    // SAFETY: the loader passes a description that is valid during the call.
    let headers = ProgramHeaders(unsafe { &*info });
    c_int::from(visit(&headers))
}

/// The program headers of one module.
struct ProgramHeaders<'a>(&'a libc::dl_phdr_info);

impl ProgramHeaders<'_> {
    fn path(&self) -> PathBuf {
        if self.0.dlpi_name.is_null() {
            return PathBuf::new();
        }
        // SAFETY: a string of the loader's that ends with NUL.
        let name = unsafe { CStr::from_ptr(self.0.dlpi_name) };
        let path = Path::new(OsStr::from_bytes(name.to_bytes()));
        if path.is_absolute() {
            return path.to_path_buf();
        }
        // It is from the directory that the process had when the module was loaded.
        let absolute = || std::path::absolute(path).ok();
        mapped_file(self.0.dlpi_phdr as usize)
            .or_else(absolute)
            .unwrap_or_else(|| path.to_path_buf())
    }

    fn all(&self) -> &[libc::Elf64_Phdr] {
        let count = usize::from(self.0.dlpi_phnum);
        // SAFETY: the loader's table of `count` headers, mapped as long as the module.
        unsafe { std::slice::from_raw_parts(self.0.dlpi_phdr, count) }
    }

    /// The loaded segments of the module: address, length, flags.
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
        match self.build_id() {
            Some(id) => identity_of_build(id),
            None => identity_of_code(self.readable_code()),
        }
    }

    /// The note NT_GNU_BUILD_ID of the owner "GNU", which the linker writes.
    fn build_id(&self) -> Option<&[u8]> {
        self.parts(libc::PT_NOTE).find_map(|(start, len, _)| {
            // SAFETY: a segment of the module that the loader has mapped for reading.
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

    fn readable_code(&self) -> impl Iterator<Item = &[u8]> {
        let is_code = |flags| flags & (libc::PF_X | libc::PF_R) == libc::PF_X | libc::PF_R;
        self.loads().filter(move |(_, _, flags)| is_code(*flags)).map(|(start, len, _)| {
            // SAFETY: a segment of the module that the loader has mapped for reading.
            unsafe { std::slice::from_raw_parts(start as *const u8, len) }
        })
    }
}

/// The identity of a module with this build id.
pub(super) fn identity_of_build(id: &[u8]) -> Identity {
    let mut identity = [0; IDENTITY_LEN];
    let len = id.len().min(IDENTITY_LEN);
    identity[..len].copy_from_slice(&id[..len]);
    identity
}

/// The identity of a module without a build id, by its code. 0xff.. distinguishes it from ids.
pub(super) fn identity_of_code<'a>(code: impl Iterator<Item = &'a [u8]>) -> Identity {
    let mut identity = [0; IDENTITY_LEN];
    identity[..8].copy_from_slice(&digest(code).to_le_bytes());
    identity[IDENTITY_LEN - 8..].fill(0xff);
    identity
}

/// FNV-1a, eight bytes at a time. (Fowler, Noll, Vo: hash functions, 64 bits.)
fn digest<'a>(code: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    for segment in code {
        for bytes in segment.chunks(8) {
            let word = bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            digest = (digest ^ word).wrapping_mul(0x100_0000_01b3);
        }
    }
    digest
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

/// A shared library that is open. Closing it leaves it loaded: RTLD_NODELETE.
pub(super) struct OpenLibrary {
    library: Library,
    /// Its load address, and the address of its dynamic section.
    location: Option<(usize, usize)>,
}

impl OpenLibrary {
    /// The main program, with the libraries that it was linked with.
    pub(super) fn main_program() -> OpenLibrary {
        OpenLibrary::new(Library::this())
    }

    /// Opens a library; an error is the loader's message.
    pub(super) fn open(path: &OsStr, flags: c_int) -> Result<OpenLibrary, String> {
        let flags = flags | libc::RTLD_NOW | libc::RTLD_NODELETE;
        // SAFETY: opening runs the module's constructors: that is what the submitter asks for.
        let library = unsafe { Library::open(Some(path), flags) };
        library.map(OpenLibrary::new).map_err(|error| reason_of(&error))
    }

    fn new(library: Library) -> OpenLibrary {
        let handle = library.into_raw();
        let location = location(handle);
        // SAFETY: the handle comes from `into_raw`, and has no other owner.
        OpenLibrary { library: unsafe { Library::from_raw(handle) }, location }
    }

    /// The address of a symbol. None also for a symbol whose value is 0.
    pub(super) fn address_of(&self, symbol: &CStr) -> Option<usize> {
        // SAFETY: only the address is used; nothing is read from it or called.
        let found = unsafe { self.library.get::<*mut c_void>(symbol.to_bytes_with_nul()) };
        let address = found.ok()?.as_raw_ptr();
        (!address.is_null()).then_some(address as usize)
    }

    /// Its load address, and the address of its dynamic section.
    pub(super) fn location(&self) -> Option<(usize, usize)> {
        self.location
    }
}

/// What the loader says: it is the source of the crate's error, which only names the call.
fn reason_of(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn location(handle: *mut c_void) -> Option<(usize, usize)> {
    #[repr(C)]
    struct LinkMap {
        base: usize,
        name: *const libc::c_char,
        dynamic: usize,
    }
    let mut map: *const LinkMap = std::ptr::null();
    // SAFETY: RTLD_DI_LINKMAP stores a pointer to the loader's entry of this open handle.
    let code = unsafe { libc::dlinfo(handle, libc::RTLD_DI_LINKMAP, (&raw mut map).cast()) };
    if code != 0 || map.is_null() {
        return None;
    }
    // SAFETY: the loader's entry of a library that stays loaded.
    let map = unsafe { &*map };
    Some((map.base, map.dynamic))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_code_differ_from_those_of_data() {
        static DATA: u32 = 7;
        let module = own().unwrap();
        assert!(module.has_code_at(own as fn() -> Option<Module> as usize));
        assert!(!module.has_code_at(&raw const DATA as usize));
        assert!(module.is_main && module.path.exists());
    }

    #[test]
    fn modules_have_different_identities() {
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
