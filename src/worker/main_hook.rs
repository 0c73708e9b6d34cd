//! The hook by which a main program runs as a worker, without a call in its main.
//!
//! ```text
//!   exec ─▶ loader ─▶ carpool_process_start ─▶ _start ─▶ __libc_start_main ─▶ constructors ─▶ main
//!                        │ (a worker?)                      ▲     │                            ▲
//!                        └── installs start_worker ─────────┘     └── called with worker_main ─┘
//! ```
//!
//! [`carpool_process_start`] runs before the program's first instruction. In a worker, and only
//! there, it overwrites one word: the address at which the program will call `__libc_start_main`.
//! The program then calls [`start_worker`], which calls the real function with [`worker_main`] as
//! main. So the C library is ready and all constructors have run when the worker's loop begins, and
//! the program's own main is never reached.
//!
//! In a shared library `carpool_process_start` is a constructor; with the static library it is in
//! the program's `.preinit_array`, because constructors of the program itself run too late.

use super::protocol::EXIT_START_FAILED;
use super::{child, loader};
use std::ffi::{CStr, c_char, c_int, c_void};

type StartFunction = unsafe extern "C" fn(c_int, *const *const c_char, *const *const c_char);

#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: StartFunction = carpool_process_start;

/// Runs when the library is loaded. Does nothing unless this is a worker process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn carpool_process_start(
    argc: c_int,
    argv: *const *const c_char,
    _environment: *const *const c_char,
) {
    loader::note_loader();
    if child::channel_fd(argc, argv).is_some() && child::mark_as_worker() {
        take_over();
    }
}

fn take_over() {
    // SAFETY: `redirect` is only called during this call, once, for the main program.
    unsafe { libc::dl_iterate_phdr(Some(redirect), std::ptr::null_mut()) };
}

/// Redirects the call in the first module, which is the main program.
unsafe extern "C" fn redirect(info: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
    // SAFETY: the loader calls with a description that is valid for the call.
    let info = unsafe { &*info };
    let base = info.dlpi_addr as usize;
    // SAFETY: the loader's table, which has `dlpi_phnum` headers.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let find = |kind| headers.iter().find(|header| header.p_type == kind);
    if let Some(dynamic) = find(libc::PT_DYNAMIC)
        && let Some(word) = DynamicSection::at(base, dynamic.p_vaddr as usize).start_main_word()
    {
        let relro = find(libc::PT_GNU_RELRO)
            .map(|header| base + header.p_vaddr as usize)
            .zip(find(libc::PT_GNU_RELRO).map(|header| header.p_memsz as usize))
            .is_some_and(|(start, len)| (start..start + len).contains(&(word as usize)));
        overwrite(word, start_worker as *const () as usize, relro);
    }
    1
}

/// Writes the word, even if the loader has made its page read-only.
fn overwrite(word: *mut usize, value: usize, was_read_only: bool) {
    // SAFETY: the call only returns a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let start = (word as usize & !(page - 1)) as *mut c_void;
    // SAFETY: the page holds the program's table of addresses, and stays mapped.
    if unsafe { libc::mprotect(start, page, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
        return;
    }
    // SAFETY: an aligned word of that page, just made writable; no other thread exists yet.
    unsafe { word.write(value) };
    if was_read_only {
        // SAFETY: the page of the word, which the loader had made read-only.
        unsafe { libc::mprotect(start, page, libc::PROT_READ) };
    }
}

/// Called in place of `__libc_start_main`: calls it with the worker's main. (The signature is in
/// the Linux Standard Base, Core, "__libc_start_main".)
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
    // SAFETY: looks up a name that ends with NUL.
    let real = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__libc_start_main".as_ptr()) };
    if real.is_null() {
        // SAFETY: the call only ends the process, in which nothing was set up yet.
        unsafe { libc::_exit(EXIT_START_FAILED) };
    }
    // SAFETY: the C library's function of that name has this signature.
    let real = unsafe { std::mem::transmute::<*mut c_void, StartMain>(real) };
    // SAFETY: the arguments are those of the program's start code, except for main.
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

    /// An address from the section. Whether the loader has added the base to it depends on the
    /// loader.
    fn address(&self, tag: usize) -> Option<usize> {
        self.value(tag).map(|it| if it < self.base { it + self.base } else { it })
    }

    fn text(&self, offset: usize) -> Option<&CStr> {
        let text = self.address(DT_STRTAB)? + offset;
        // SAFETY: an entry of the program's string table, which ends with NUL.
        Some(unsafe { CStr::from_ptr(text as *const c_char) })
    }

    /// The word from which the program's start code reads the address of `__libc_start_main`.
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

/// Whether the main program is linked with a library of this name.
pub(crate) fn main_program_needs(library: &CStr) -> bool {
    let mut needs = false;
    ask_main_program(&mut |dynamic| {
        let mut names = dynamic.entries().filter(|entry| entry[0] == DT_NEEDED);
        needs = names.any(|entry| dynamic.text(entry[1]) == Some(library));
    });
    needs
}

/// Whether the main program runs as a worker without a call in its main. One that is linked with
/// -static does not.
pub(crate) fn main_program_has_hook() -> bool {
    let mut has_hook = false;
    ask_main_program(&mut |dynamic| has_hook = dynamic.start_main_word().is_some());
    has_hook
}

type Question<'a> = &'a mut dyn FnMut(&DynamicSection);

/// Asks the dynamic section of the main program, if it has one.
fn ask_main_program(question: Question<'_>) {
    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _: usize,
        data: *mut c_void,
    ) -> c_int {
        // SAFETY: the question below, which outlives this call and is not used meanwhile.
        let question = unsafe { &mut *data.cast::<Question<'_>>() };
        // SAFETY: the loader calls with a description that is valid for the call.
        let info = unsafe { &*info };
        // SAFETY: the loader's table, which has `dlpi_phnum` headers.
        let headers =
            unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        if let Some(header) = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC) {
            question(&DynamicSection::at(info.dlpi_addr as usize, header.p_vaddr as usize));
        }
        1
    }
    let mut question = question;
    let _inside = super::dl_lock::DlGuard::enter();
    // SAFETY: `visit` is only called during this call, with the question.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut question).cast()) };
}
