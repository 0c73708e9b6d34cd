//! Exceptions of C++: what they say, and their end.
//!
//! By the Itanium C++ ABI: "Exception Handling", level II, and the layout of run-time type information,
//! which libstdc++ and libc++abi share. The functions are those of the runtime that has thrown, which
//! is found by an address of it that each exception carries: the library itself is linked with none.

use super::exceptions::Exception;
use super::modules::{self, OpenLibrary};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::transmute;
use std::ptr::null_mut;

/// A `std::exception_ptr`. It is returned in memory, as are structs of this size: only its first word
/// is written.
#[repr(C)]
struct ExceptionPointer {
    object: *const c_void,
    unused: [usize; 2],
}

type BeginCatch = unsafe extern "C" fn(*mut Exception) -> *mut c_void;
type EndCatch = unsafe extern "C" fn();
type CurrentType = unsafe extern "C" fn() -> *const TypeInfo;
type Demangle =
    unsafe extern "C" fn(*const c_char, *mut c_char, *mut usize, *mut c_int) -> *mut c_char;
type CurrentException = unsafe extern "C" fn() -> ExceptionPointer;
type Release = unsafe extern "C" fn(*mut ExceptionPointer);

/// The C++ runtime that has thrown: its functions.
pub(super) struct Runtime {
    begin_catch: BeginCatch,
    end_catch: EndCatch,
    current_type: CurrentType,
    demangle: Demangle,
    current_exception: CurrentException,
    release: Release,
}

impl Runtime {
    /// The one that has this function. None: its functions are not exported.
    pub(super) fn of(cleanup: *const c_void) -> Option<Runtime> {
        let module = modules::at(cleanup.addr())?;
        let library = match module.is_main {
            true => OpenLibrary::main_program(),
            false => OpenLibrary::open(module.path.as_os_str(), libc::RTLD_NOLOAD).ok()?,
        };
        let find = |name: &CStr| {
            let address = library.address_of(name)?;
            // Not that of another runtime behind it.
            module.has_code_at(address).then_some(address)
        };
        let release = find(c"_ZNSt15__exception_ptr13exception_ptrD1Ev")
            .or_else(|| find(c"_ZNSt13exception_ptrD1Ev"))?;
        Some(Runtime {
            // SAFETY: the ABI gives this name to a function of this type.
            begin_catch: unsafe { transmute::<usize, BeginCatch>(find(c"__cxa_begin_catch")?) },
            // SAFETY: as above.
            end_catch: unsafe { transmute::<usize, EndCatch>(find(c"__cxa_end_catch")?) },
            // SAFETY: as above.
            current_type: unsafe {
                transmute::<usize, CurrentType>(find(c"__cxa_current_exception_type")?)
            },
            // SAFETY: as above.
            demangle: unsafe { transmute::<usize, Demangle>(find(c"__cxa_demangle")?) },
            // SAFETY: the mangled name of `std::current_exception()`.
            current_exception: unsafe {
                transmute::<usize, CurrentException>(find(c"_ZSt17current_exceptionv")?)
            },
            // SAFETY: the mangled name of the destructor of `std::exception_ptr`.
            release: unsafe { transmute::<usize, Release>(release) },
        })
    }

    /// Ends an exception, and describes it: the calls are in the order of a `catch` block.
    ///
    /// # Safety
    /// This runtime has made the exception, which was caught, and which nobody else has.
    pub(super) unsafe fn end(&self, exception: *mut Exception) -> String {
        // SAFETY: the caller's promise.
        unsafe { (self.begin_catch)(exception) };
        // SAFETY: there is a current exception, until `end_catch`.
        let mut pointer = unsafe { (self.current_exception)() };
        // SAFETY: as above. It returns null, or the address of a constant.
        let class = unsafe { (self.current_type)() };
        // SAFETY: as above.
        let class = unsafe { class.as_ref() };
        let words = class.map(|class| {
            // SAFETY: the current exception has this type, and lives until it is released.
            unsafe { self.describe(class, pointer.object) }
        });
        // SAFETY: what `current_exception` has returned, once.
        unsafe { (self.release)(&mut pointer) };
        // SAFETY: the end of what `begin_catch` began; nothing of the exception is used any more.
        unsafe { (self.end_catch)() };
        words.unwrap_or_else(|| "an exception left the function".into())
    }

    /// # Safety
    /// The object lives, and is of this type.
    unsafe fn describe(&self, class: &TypeInfo, object: *const c_void) -> String {
        let name = self.demangled(class);
        // SAFETY: the caller's promise.
        match unsafe { class.find_exception(object, 0) } {
            // SAFETY: it was found in the object, which lives.
            Some(exception) => format!("{name}: {}", unsafe { exception.what() }),
            None => format!("an exception of type {name} left the function"),
        }
    }

    fn demangled(&self, class: &TypeInfo) -> String {
        let name = class.name();
        // SAFETY: a name of the ABI, and no buffer: it returns null, or a text that we must free.
        let text = unsafe { (self.demangle)(name.as_ptr(), null_mut(), null_mut(), null_mut()) };
        // SAFETY: as above.
        let words = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) });
        let words = words.unwrap_or(name).to_string_lossy().into_owned();
        // SAFETY: as above; null is ignored.
        unsafe { libc::free(text.cast()) };
        words
    }
}

/// A `std::exception`: `what` is the third function of its table, after two destructors.
#[repr(C)]
struct StandardException {
    table: *const [unsafe extern "C" fn(*const StandardException) -> *const c_char; 3],
}

impl StandardException {
    /// # Safety
    /// The object lives.
    unsafe fn what(&self) -> String {
        // SAFETY: the layout of the type: its table is a constant.
        let [_, _, what] = unsafe { &*self.table };
        // SAFETY: it is that of this object.
        let text = unsafe { what(self) };
        if text.is_null() {
            return String::new();
        }
        // SAFETY: the text lives as long as the object.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }
}

// ---- run-time type information ---------------------------------------------------------------------

/// `std::type_info`. The fields of `__si_class_type_info`, of a class with one base, or those of
/// `__vmi_class_type_info` follow.
#[repr(C)]
struct TypeInfo {
    table: *const c_void,
    name: *const c_char,
}

/// The beginning of `__vmi_class_type_info`; the bases follow it.
#[repr(C)]
struct BasesHeader {
    class: TypeInfo,
    flags: u32,
    count: u32,
}

/// `__base_class_type_info`.
#[repr(C)]
#[derive(Clone, Copy)]
struct BaseClass {
    class: *const TypeInfo,
    offset_and_flags: isize,
}

impl TypeInfo {
    /// No class has bases as deep; a type that was written over might have.
    const DEPTH_MAX: u32 = 64;

    fn name(&self) -> &CStr {
        // A star in front of a name says that other modules may have another type of this name.
        // SAFETY: the ABI: a constant text.
        let is_local = unsafe { *self.name } == b'*' as c_char;
        let name = self.name.wrapping_add(usize::from(is_local));
        // SAFETY: as above.
        unsafe { CStr::from_ptr(name) }
    }

    /// The name of the type of this very object, which tells what follows it.
    fn kind(&self) -> &CStr {
        let before = self.table.cast::<*const TypeInfo>().wrapping_sub(1);
        // SAFETY: the ABI: in front of a table of functions is the address of the type of the objects
        // that have it.
        let class = unsafe { *before };
        // SAFETY: the ABI: a constant.
        unsafe { &*class }.name()
    }

    /// The `std::exception` that an object of this type is, by public bases.
    ///
    /// # Safety
    /// The object is of this type, and lives as long as what is returned.
    unsafe fn find_exception<'a>(
        &self,
        object: *const c_void,
        depth: u32,
    ) -> Option<&'a StandardException> {
        if depth > Self::DEPTH_MAX {
            return None;
        }
        if self.name() == c"St9exception" {
            // SAFETY: the caller's promise.
            return unsafe { object.cast::<StandardException>().as_ref() };
        }
        let find = |base: &BaseClass| {
            // SAFETY: the caller's promise: the object has this base.
            unsafe { base.find_exception(object, depth + 1) }
        };
        match self.kind().to_bytes() {
            b"N10__cxxabiv120__si_class_type_infoE" => {
                let base = std::ptr::from_ref(self).wrapping_add(1).cast::<*const TypeInfo>();
                // SAFETY: the ABI: its only base follows; it is public, and at the object's address.
                let class = unsafe { *base };
                find(&BaseClass { class, offset_and_flags: BaseClass::IS_PUBLIC })
            }
            b"N10__cxxabiv121__vmi_class_type_infoE" => {
                let header = std::ptr::from_ref(self).cast::<BasesHeader>();
                // SAFETY: the ABI: what follows a type of this kind.
                let count = unsafe { (*header).count } as usize;
                let first = header.wrapping_add(1).cast::<BaseClass>();
                // SAFETY: as above.
                let bases = unsafe { std::slice::from_raw_parts(first, count) };
                bases.iter().find_map(find)
            }
            _ => None,
        }
    }
}

impl BaseClass {
    const IS_VIRTUAL: isize = 1;
    const IS_PUBLIC: isize = 2;
    const OFFSET_SHIFT: u32 = 8;

    /// # Safety
    /// The object has this base, and lives as long as what is returned.
    unsafe fn find_exception<'a>(
        &self,
        object: *const c_void,
        depth: u32,
    ) -> Option<&'a StandardException> {
        if self.offset_and_flags & Self::IS_PUBLIC == 0 {
            return None;
        }
        let mut offset = self.offset_and_flags >> Self::OFFSET_SHIFT;
        if self.offset_and_flags & Self::IS_VIRTUAL != 0 {
            // SAFETY: the ABI: an object with a virtual base begins with the address of its table.
            let table = unsafe { *object.cast::<*const u8>() };
            // SAFETY: the ABI: there the table has the offset of the base in the object.
            offset = unsafe { *table.wrapping_offset(offset).cast::<isize>() };
        }
        // SAFETY: the ABI: a constant.
        let class = unsafe { &*self.class };
        // SAFETY: the caller's promise, and what the ABI says of the offset.
        unsafe { class.find_exception(object.wrapping_byte_offset(offset), depth) }
    }
}
