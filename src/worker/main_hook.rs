//! How a program becomes its own worker without a word in its main.
//!
//! ```text
//!   exec ─▶ loader ─▶ process_start ─▶ _start ─▶ __libc_start_main ─▶ constructors ─▶ main
//!                        │ (a worker?)              ▲     │                            ▲
//!                        └── puts start_worker ─────┘     └── which gives it the worker's main
//! ```
//!
//! The library's start function runs before the program's first instruction. In a worker, and only
//! there, it changes one word: where the program will look for `__libc_start_main`. What stands
//! there then calls the real one with another main. So the C library is ready and all constructors
//! have run when the worker's loop begins, and the program's main is never reached.
//!
//! In a shared library the start function is a constructor; with the static library it stands in
//! the program's `.preinit_array`, because constructors of the program itself run too late.

use super::child;
use super::protocol::EXIT_START_FAILED;
use std::ffi::{CStr, c_char, c_int, c_void};

type StartFunction = unsafe extern "C" fn(c_int, *const *const c_char, *const *const c_char);

#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: StartFunction = carpool_process_start;

/// Runs when the library is loaded. Nothing happens but in a worker process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn carpool_process_start(
    argc: c_int,
    argv: *const *const c_char,
    _environment: *const *const c_char,
) {
    if child::channel_fd(argc, argv).is_some() && child::mark_as_worker() {
        take_over();
    }
}

fn take_over() {
    // SAFETY: `redirect` is called back once, for the main program, while this call lasts.
    unsafe { libc::dl_iterate_phdr(Some(redirect), std::ptr::null_mut()) };
}

/// Redirects the call in the first module, which is the main program.
unsafe extern "C" fn redirect(info: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
    // SAFETY: the loader calls with a description that is valid for the call.
    let info = unsafe { &*info };
    let base = info.dlpi_addr as usize;
    // SAFETY: the loader's table of so many headers.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let place = |kind| headers.iter().find(|header| header.p_type == kind);
    if let Some(dynamic) = place(libc::PT_DYNAMIC)
        && let Some(word) = DynamicSection::at(base, dynamic.p_vaddr as usize).start_main_word()
    {
        let relro = place(libc::PT_GNU_RELRO)
            .map(|header| base + header.p_vaddr as usize)
            .zip(place(libc::PT_GNU_RELRO).map(|header| header.p_memsz as usize))
            .is_some_and(|(start, len)| (start..start + len).contains(&(word as usize)));
        overwrite(word, start_worker as *const () as usize, relro);
    }
    1
}

/// Writes the word, also where the loader has protected it.
fn overwrite(word: *mut usize, value: usize, was_read_only: bool) {
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let start = (word as usize & !(page - 1)) as *mut c_void;
    // SAFETY: the page holds the program's table of addresses, and stays mapped.
    if unsafe { libc::mprotect(start, page, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
        return;
    }
    // SAFETY: an aligned word of that page, just made writable; no other thread exists yet.
    unsafe { word.write(value) };
    if was_read_only {
        // SAFETY: as above; the loader had made the page so.
        unsafe { libc::mprotect(start, page, libc::PROT_READ) };
    }
}

/// Stands in for `__libc_start_main`: the same, with the worker's main. (Its signature: the Linux
/// Standard Base, Core, "__libc_start_main".)
unsafe extern "C" fn start_worker(
    _main: *mut c_void,
    argc: c_int,
    argv: *mut *mut c_char,
    init: *mut c_void,
    fini: *mut c_void,
    loader_fini: *mut c_void,
    stack_end: *mut c_void,
) -> c_int {
    type StartMain = unsafe extern "C" fn(
        unsafe extern "C" fn(c_int, *const *const c_char) -> c_int,
        c_int,
        *mut *mut c_char,
        *mut c_void,
        *mut c_void,
        *mut c_void,
        *mut c_void,
    ) -> c_int;
    // SAFETY: looks a name up.
    let real = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__libc_start_main".as_ptr()) };
    if real.is_null() {
        // SAFETY: nothing has been set up that would have to be torn down.
        unsafe { libc::_exit(EXIT_START_FAILED) };
    }
    // SAFETY: the C library's function of that name has this signature.
    let real = unsafe { std::mem::transmute::<*mut c_void, StartMain>(real) };
    // SAFETY: what the program's start code passes, but for main.
    unsafe { real(worker_main, argc, argv, init, fini, loader_fini, stack_end) }
}

unsafe extern "C" fn worker_main(argc: c_int, argv: *const *const c_char) -> c_int {
    child::worker_main(argc, argv)
}

/// The dynamic section of the main program.
struct DynamicSection {
    base: usize,
    entries: *const [usize; 2],
}

// Tags of the dynamic section (System V ABI, chapter 5).
const DT_NEEDED: usize = 1;
const DT_PLTRELSZ: usize = 2;
const DT_STRTAB: usize = 5;
const DT_SYMTAB: usize = 6;
const DT_RELA: usize = 7;
const DT_RELASZ: usize = 8;
const DT_JMPREL: usize = 23;

#[cfg(target_arch = "x86_64")]
const ADDRESS_WORDS: [u32; 2] = [6, 7]; // R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT
#[cfg(target_arch = "aarch64")]
const ADDRESS_WORDS: [u32; 2] = [1025, 1026]; // R_AARCH64_GLOB_DAT, R_AARCH64_JUMP_SLOT

#[repr(C)]
struct Relocation {
    offset: usize,
    info: u64,
    addend: i64,
}

impl DynamicSection {
    fn at(base: usize, address: usize) -> DynamicSection {
        DynamicSection { base, entries: base.wrapping_add(address) as *const [usize; 2] }
    }

    fn entries(&self) -> impl Iterator<Item = [usize; 2]> {
        (0..).map(|index| self.entries.wrapping_add(index)).map_while(|entry| {
            // SAFETY: the section ends with a tag of 0, and is not read beyond it.
            let entry = unsafe { *entry };
            (entry[0] != 0).then_some(entry)
        })
    }

    fn value(&self, tag: usize) -> Option<usize> {
        self.entries().find(|entry| entry[0] == tag).map(|entry| entry[1])
    }

    /// An address of the section, which the loader has or has not moved to the base.
    fn address(&self, tag: usize) -> Option<usize> {
        self.value(tag).map(|it| if it < self.base { it + self.base } else { it })
    }

    fn text(&self, offset: usize) -> Option<&CStr> {
        let text = self.address(DT_STRTAB)? + offset;
        // SAFETY: an entry of the program's string table, ended by NUL.
        Some(unsafe { CStr::from_ptr(text as *const c_char) })
    }

    /// The word that the program's start code reads the address of `__libc_start_main` from.
    fn start_main_word(&self) -> Option<*mut usize> {
        let symbols = self.address(DT_SYMTAB)? as *const libc::Elf64_Sym;
        let tables = [(DT_RELA, DT_RELASZ), (DT_JMPREL, DT_PLTRELSZ)];
        for (table, size) in tables {
            let (Some(start), Some(len)) = (self.address(table), self.value(size)) else {
                continue;
            };
            for index in 0..len / size_of::<Relocation>() {
                let relocation = (start as *const Relocation).wrapping_add(index);
                // SAFETY: the table has `len` bytes of relocations.
                let relocation = unsafe { &*relocation };
                if !ADDRESS_WORDS.contains(&(relocation.info as u32)) {
                    continue;
                }
                let symbol = symbols.wrapping_add((relocation.info >> 32) as usize);
                // SAFETY: relocations name symbols of the program's own table.
                let symbol = unsafe { &*symbol };
                if self.text(symbol.st_name as usize) == Some(c"__libc_start_main") {
                    return Some(self.base.wrapping_add(relocation.offset) as *mut usize);
                }
            }
        }
        None
    }
}

/// Whether the loader opens a library of this name with the main program.
pub(crate) fn main_program_needs(library: &CStr) -> bool {
    struct Question<'a>(&'a CStr, bool);
    unsafe extern "C" fn ask(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
        // SAFETY: the question below, which waits for this call.
        let question = unsafe { &mut *data.cast::<Question>() };
        // SAFETY: the loader calls with a description that is valid for the call.
        let info = unsafe { &*info };
        // SAFETY: the loader's table of so many headers.
        let headers =
            unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        if let Some(header) = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC) {
            let dynamic = DynamicSection::at(info.dlpi_addr as usize, header.p_vaddr as usize);
            let mut names = dynamic.entries().filter(|entry| entry[0] == DT_NEEDED);
            question.1 = names.any(|entry| dynamic.text(entry[1]) == Some(question.0));
        }
        1
    }
    let mut question = Question(library, false);
    let _inside = super::dl_lock::DlGuard::enter();
    // SAFETY: `ask` gets the question back while this call lasts.
    unsafe { libc::dl_iterate_phdr(Some(ask), (&raw mut question).cast()) };
    question.1
}
