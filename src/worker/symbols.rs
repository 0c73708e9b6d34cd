//! What messages call a function: its symbol, also one that its module does not export.
//!
//! Such a symbol is in the symbol table of the module's file, unless that is stripped. The file is
//! read when a message needs the name, and never trusted: it may have been replaced since it was
//! loaded, which its identity shows, and what is malformed has no names.

use super::modules;
use crate::board::functions::{Function, FunctionLocator, Identity};
use crate::fd;
use object::Endianness;
use object::elf::{ELF_NOTE_GNU, NT_GNU_BUILD_ID, STB_LOCAL, STT_GNU_IFUNC, SectionType};
use object::elf::{FileHeader64, PF_R, PF_X, PT_LOAD, SHT_DYNSYM, SHT_SYMTAB, STT_FUNC, Sym64};
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};
use rustix::fs::OFlags;
use std::ffi::CString;
use std::fs::File;

type Elf = FileHeader64<Endianness>;
type Data<'a> = &'a ReadCache<File>;

/// The largest symbol table that is searched: ten million symbols.
const TABLE_MAX: u64 = 240 << 20;

/// The name of a function and its module. Only the parent's own record of a function names a file
/// to read.
pub(crate) fn describe(function: &Function) -> String {
    let (module, identity, offset) = match &function.locator {
        FunctionLocator::Symbol(symbol) => return in_module(symbol, &function.module),
        FunctionLocator::Offset(offset) => (function.module.clone(), function.identity, *offset),
        FunctionLocator::Address(address) => match modules::at(*address as usize) {
            Some(module) => {
                let path = module.path.to_string_lossy().into_owned();
                (path, module.identity, address.wrapping_sub(module.base as u64))
            }
            None => return format!("address {address:#x}"),
        },
    };
    let name = name_in_file(&module, &identity, offset);
    in_module(&name.unwrap_or_else(|| format!("offset {offset:#x}")), &module)
}

fn in_module(name: &str, module: &str) -> String {
    match module.rsplit('/').next() {
        None | Some("") => format!("{name} in the main program"),
        Some(file) => format!("{name} in {file}"),
    }
}

/// The build of the module in a file, if it is one.
pub(super) fn identity_of_file(path: &str) -> Option<Identity> {
    let data = &ReadCache::new(open(path)?);
    file_identity(Elf::parse(data).ok()?, data)
}

fn open(path: &str) -> Option<File> {
    // NONBLOCK: the name may be that of a pipe by now.
    let file = fd::open(&CString::new(path).ok()?, OFlags::NONBLOCK).ok()?;
    let file = File::from(file.into_inner()?);
    file.metadata().ok()?.is_file().then_some(file)
}

/// The symbol at this offset, by the file of the module.
fn name_in_file(module: &str, identity: &Identity, offset: u64) -> Option<String> {
    let main_program = || modules::main_program_file().into_os_string().into_string().ok();
    let path = match module {
        "" if modules::is_run_by_loader() => main_program()?,
        "" => "/proc/self/exe".to_owned(),
        path => path.to_owned(),
    };
    let data = &ReadCache::new(open(&path)?);
    let elf = Elf::parse(data).ok()?;
    (file_identity(elf, data)? == *identity).then_some(())?;
    [SHT_SYMTAB, SHT_DYNSYM].into_iter().find_map(|kind| name_in_table(elf, data, kind, offset))
}

/// The identity of the module in a file, as the loader's view of it gives it.
fn file_identity(elf: &Elf, data: Data<'_>) -> Option<Identity> {
    let endian = elf.endian().ok()?;
    let segments = elf.program_headers(endian, data).ok()?;
    for segment in segments {
        let Some(mut notes) = segment.notes(endian, data).ok()? else { continue };
        while let Some(note) = notes.next().ok()? {
            if note.name() == ELF_NOTE_GNU && note.n_type(endian) == NT_GNU_BUILD_ID {
                return Some(modules::identity_of_build(note.desc()));
            }
        }
    }
    let code = segments.iter().filter(|segment| {
        segment.p_type(endian) == PT_LOAD && segment.p_flags(endian) & (PF_X | PF_R) == PF_X | PF_R
    });
    let code: Result<Vec<&[u8]>, ()> = code.map(|segment| segment.data(endian, data)).collect();
    Some(modules::identity_of_code(code.ok()?.into_iter()))
}

fn name_in_table(elf: &Elf, data: Data<'_>, kind: SectionType, offset: u64) -> Option<String> {
    let endian = elf.endian().ok()?;
    let sections = elf.sections(endian, data).ok()?;
    let section = sections.iter().find(|section| section.sh_type(endian) == kind)?;
    (section.sh_size(endian) <= TABLE_MAX).then_some(())?;
    let table = sections.symbols(endian, data, kind).ok()?;
    let is_function = |symbol: &&Sym64<Endianness>| {
        symbol.st_value(endian) == offset
            && !symbol.is_undefined(endian)
            && [STT_FUNC, STT_GNU_IFUNC].contains(&symbol.st_type())
    };
    // Of several names that one is better which other files know.
    let symbols = table.symbols().iter().filter(is_function);
    let symbol = symbols.max_by_key(|symbol| symbol.st_bind() != STB_LOCAL)?;
    let name = std::str::from_utf8(table.symbol_name(endian, symbol).ok()?).ok()?;
    (!name.is_empty() && !name.contains(char::is_control)).then(|| name.to_owned())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    extern "C" fn not_exported() -> u32 {
        std::process::id()
    }

    fn function_at(address: usize) -> Function {
        let module = modules::at(address).unwrap();
        Function {
            module: module.path.to_str().unwrap().to_owned(),
            identity: module.identity,
            locator: FunctionLocator::Offset((address - module.base) as u64),
        }
    }

    #[test]
    fn functions_of_this_program_have_their_names() {
        let function = function_at(not_exported as extern "C" fn() -> u32 as usize);
        assert!(describe(&function).contains("not_exported"), "{}", describe(&function));
        assert!(describe(&function).ends_with(" in the main program"));
    }

    #[test]
    fn a_file_of_another_build_is_not_asked() {
        let mut function = function_at(not_exported as extern "C" fn() -> u32 as usize);
        function.identity[0] ^= 1;
        assert!(describe(&function).starts_with("offset 0x"));
    }

    /// Whatever a file contains, reading it ends without a panic.
    #[test]
    fn a_malformed_file_has_no_names() {
        let address = not_exported as extern "C" fn() -> u32 as usize;
        let module = modules::at(address).unwrap();
        let offset = (address - module.base) as u64;
        let mut bytes = std::fs::read("/proc/self/exe").unwrap();
        let path = std::env::temp_dir().join(format!("carpool-symbols-{}", std::process::id()));
        let ask = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            name_in_file(path.to_str().unwrap(), &module.identity, offset)
        };
        assert!(ask(&bytes).is_some());
        assert_eq!(ask(&bytes[..bytes.len() / 2]), None);
        assert_eq!(ask(&[]), None);
        // The header and the program headers; then the section headers, which are at the end.
        let end = bytes.len();
        let places = (16..0x200).step_by(7).chain((end - 0xc00..end).step_by(61));
        for at in places {
            let before = std::mem::replace(&mut bytes[at], 0xff);
            let _ = ask(&bytes);
            bytes[at] = before;
        }
        let _ = std::fs::remove_file(&path);
    }
}
