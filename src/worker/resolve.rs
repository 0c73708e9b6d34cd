//! Naming a function so that a worker process can find it, and finding it there.
//!
//! A pointer becomes a module and an exported symbol, or an offset in the module if it has no
//! symbol, with the identity of the module, so that another build of it is refused. Each worker
//! looks a function up once.

use super::config::ModuleFile;
use super::modules::{self, Module, OpenLibrary};
use super::{child, symbols};
use crate::board::Region;
use crate::board::functions::{FUNCTIONS_MAX, Function, FunctionLocator, Identity};
use crate::error::{Error, Result, Status};
use crate::fd;
use std::cell::Cell;
use std::ffi::{CStr, CString, OsStr, c_void};
use std::sync::Arc;

/// The function of a task.
pub(crate) type TaskFunction = unsafe extern "C-unwind" fn(*mut c_void) -> i32;

/// Names the function behind a pointer for worker processes.
pub(crate) fn name(pointer: usize) -> Result<Function> {
    let Some(module) = modules::at(pointer) else {
        return Err(refusal(
            "the function lies in no module that a worker process could open; give a function of the main program or of a shared library",
        ));
    };
    if !module.has_code_at(pointer) {
        return Err(refusal("the pointer is to data, not to a function"));
    }
    let locator = match exported_name(pointer, &module) {
        Some(symbol) => FunctionLocator::Symbol(symbol),
        None => FunctionLocator::Offset((pointer - module.base) as u64),
    };
    pin(&module);
    let path = if module.is_main { Some("") } else { module.path.to_str() };
    let path = path.ok_or_else(|| refusal("the path of the function's module is not UTF-8"))?;
    Ok(Function { module: path.to_owned(), identity: module.identity, locator })
}

/// The name by which another process can look the function up, if it is exported.
fn exported_name(pointer: usize, module: &Module) -> Option<String> {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: dladdr takes any address, and fills in the struct if it does not return 0.
    let found = unsafe { libc::dladdr(pointer as *const c_void, info.as_mut_ptr()) };
    if found == 0 {
        return None;
    }
    // SAFETY: dladdr did not return 0.
    let info = unsafe { info.assume_init() };
    if info.dli_saddr as usize != pointer || info.dli_sname.is_null() {
        return None;
    }
    // SAFETY: a string in the string table of the module, which is loaded; it ends with NUL.
    let symbol = unsafe { CStr::from_ptr(info.dli_sname) };
    // Of two versions of a symbol only one is found by name; the other is named by its offset.
    let found = open_loaded(module)?.address_of(symbol);
    (found == Some(pointer)).then(|| symbol.to_str().map(str::to_owned).ok()).flatten()
}

/// A module that workers open, with its build now.
pub(crate) fn module_file(path: String) -> ModuleFile {
    let identity = identity_of_module(&path);
    ModuleFile { path, identity }
}

/// The build of a module in this process, or else in its file; zeros: that is not known here.
pub(crate) fn identity_of_module(path: &str) -> Identity {
    let loaded = OpenLibrary::open(OsStr::new(path), libc::RTLD_NOLOAD).ok();
    let loaded = loaded.and_then(|library| Some(base_and_identity(&library)?.1));
    // A name without a slash is looked for.
    let in_file = || path.contains('/').then(|| symbols::identity_of_file(path)).flatten();
    loaded.or_else(in_file).unwrap_or_default()
}

/// Keeps the module of the pointer loaded, if there is one.
pub(crate) fn keep_loaded(pointer: usize) {
    if let Some(module) = modules::at(pointer) {
        pin(&module);
    }
}

/// Keeps the module loaded, so that its addresses never become those of other functions.
fn pin(module: &Module) {
    if !module.is_main {
        open_loaded(module);
    }
}

fn open_loaded(module: &Module) -> Option<OpenLibrary> {
    if module.is_main {
        return Some(OpenLibrary::main_program());
    }
    OpenLibrary::open(module.path.as_os_str(), libc::RTLD_NOLOAD).ok()
}

thread_local! {
    /// Whether a worker opens a module in this thread, whose constructors run then.
    static OPENING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread opens a module in a worker process.
pub(crate) fn is_opening_in_worker() -> bool {
    child::depth() > 0 && OPENING.get()
}

/// Finds functions in this process, and caches their addresses.
pub(crate) struct Resolver {
    found: Vec<Option<ResolvedFunction>>,
    /// There are few: a linear search is enough.
    modules: Vec<(String, Arc<OpenModule>)>,
    /// Whether this process runs the main program.
    has_main: bool,
}

/// A function, or a message why there is none.
type ResolvedFunction = std::result::Result<TaskFunction, String>;

pub(crate) struct OpenModule {
    library: OpenLibrary,
    identity: Identity,
    base: usize,
}

impl Resolver {
    /// In a process that runs the main program.
    pub(crate) fn in_main_program() -> Resolver {
        Resolver { found: Vec::new(), modules: Vec::new(), has_main: true }
    }

    pub(super) fn new(has_main: bool) -> Resolver {
        Resolver { found: Vec::new(), modules: Vec::new(), has_main }
    }

    /// Whether only another process has the function: one that runs the main program.
    #[cold]
    pub(crate) fn needs_main_program(&self, index: u32, region: &Region) -> bool {
        let function = region.functions.read(index, &region.memory);
        !self.has_main && function.is_some_and(|function| is_of_main(&function))
    }

    /// The function with this index, or why it cannot be called.
    #[inline]
    pub(crate) fn find(&mut self, index: u32, region: &Region) -> &ResolvedFunction {
        // A stray worker may have written any index.
        let index = index.min(FUNCTIONS_MAX as u32);
        if self.found.get(index as usize).is_none_or(Option::is_none) {
            self.look_up(index, region);
        }
        match &self.found[index as usize] {
            Some(found) => found,
            None => unreachable!("looked up above"),
        }
    }

    #[cold]
    fn look_up(&mut self, index: u32, region: &Region) {
        if self.found.len() <= index as usize {
            self.found.resize_with(index as usize + 1, || None);
        }
        let found = match region.functions.read(index, &region.memory) {
            Some(function) => self.address(&function).map_err(message_of),
            None => Err("the board has no such function".to_owned()),
        };
        self.found[index as usize] = Some(found.map(|address| {
            // SAFETY: `address` has checked that there is code; the header requires that it is a
            // task's function.
            unsafe { std::mem::transmute::<usize, TaskFunction>(address) }
        }));
    }

    fn address(&mut self, function: &Function) -> Result<usize> {
        if let FunctionLocator::Address(address) = function.locator {
            return Ok(address as usize);
        }
        if is_of_main(function) && !self.has_main {
            return Err(refusal("the function is in the main program, which this worker is not"));
        }
        let opened = self.open(&function.module)?;
        let name = module_name(&function.module);
        if function.identity != Identity::default() && function.identity != opened.identity {
            return Err(refusal(format!(
                "{name} in the worker is another build than in the parent; restart the program after replacing it"
            )));
        }
        let address = match &function.locator {
            FunctionLocator::Offset(offset) => opened.base.wrapping_add(*offset as usize),
            FunctionLocator::Symbol(symbol) => find_symbol(&opened.library, symbol, &name)?,
            FunctionLocator::Address(_) => return Err(Status::POOL_ERR_FUNCTION.into()),
        };
        match modules::at(address) {
            Some(module) if module.has_code_at(address) => Ok(address),
            _ => Err(refusal(format!("{} in {name} is data, not a function", target(function)))),
        }
    }

    /// Opens the modules that can be opened.
    pub(crate) fn open_where_possible<'a>(&mut self, paths: impl Iterator<Item = &'a str>) {
        for path in paths {
            let _ = self.open(path);
        }
    }

    /// Opens the main program, if this process runs it.
    pub(super) fn open_main_program(&mut self) {
        if self.has_main {
            let _ = self.open("");
        }
    }

    /// Opens a module before the first task, of a build that is known or not. An error tells a shortage
    /// from a module that is missing.
    pub(crate) fn open_at_start(&mut self, path: &str, identity: &Identity) -> Result<()> {
        let opened = self.open(path).map_err(|error| match fd::shortage() {
            Some(errno) => Error::os(&message_of(error), errno),
            None => error,
        })?;
        if *identity == Identity::default() || *identity == opened.identity {
            return Ok(());
        }
        Err(refusal(format!(
            "module {path} is another build in the worker than when the pool was made; restart the program after replacing it"
        )))
    }

    /// Opens a module; it stays open.
    pub(crate) fn open(&mut self, path: &str) -> Result<Arc<OpenModule>> {
        if let Some((_, opened)) = self.modules.iter().find(|(known, _)| known == path) {
            return Ok(opened.clone());
        }
        let before = OPENING.replace(true);
        let opened = open(path);
        OPENING.set(before);
        let opened = Arc::new(opened?);
        self.modules.push((path.to_owned(), opened.clone()));
        Ok(opened)
    }
}

fn open(path: &str) -> Result<OpenModule> {
    if path.is_empty() {
        let main = modules::main_program().ok_or(Status::POOL_ERR_FUNCTION)?;
        let Module { identity, base, .. } = main;
        return Ok(OpenModule { library: OpenLibrary::main_program(), identity, base });
    }
    let library = OpenLibrary::open(OsStr::new(path), 0).map_err(|reason| {
        refusal(format!("module {path} cannot be opened in the worker: {reason}"))
    })?;
    let (base, identity) = base_and_identity(&library)
        .ok_or_else(|| refusal(format!("module {path} is not known to the loader")))?;
    Ok(OpenModule { library, identity, base })
}

/// Whether only a process that runs the main program has the function.
pub(crate) fn is_of_main(function: &Function) -> bool {
    function.module.is_empty() && !matches!(function.locator, FunctionLocator::Address(_))
}

/// The load address and the identity of an open library.
fn base_and_identity(library: &OpenLibrary) -> Option<(usize, Identity)> {
    let (base, dynamic) = library.location()?;
    // The dynamic section is in the module, wherever its first page is.
    let module = modules::at(dynamic)?;
    Some((base, module.identity))
}

fn find_symbol(library: &OpenLibrary, symbol: &str, module: &str) -> Result<usize> {
    let name = CString::new(symbol).map_err(|_| refusal("a symbol's name holds a NUL"))?;
    library.address_of(&name).ok_or_else(|| {
        refusal(format!("{module} exports no symbol {symbol}; is the name right (C++: extern \"C\"), and is it exported (main program: link with -rdynamic)?"))
    })
}

fn module_name(module: &str) -> String {
    if module.is_empty() { "the main program".to_owned() } else { module.to_owned() }
}

fn target(function: &Function) -> String {
    match &function.locator {
        FunctionLocator::Symbol(symbol) => symbol.clone(),
        FunctionLocator::Offset(offset) => format!("offset {offset:#x}"),
        FunctionLocator::Address(address) => format!("address {address:#x}"),
    }
}

fn refusal(words: impl Into<String>) -> Error {
    Error::new(Status::POOL_ERR_FUNCTION, words)
}

fn message_of(error: Error) -> String {
    error.detail().map_or_else(String::new, |detail| detail.message.clone())
}
