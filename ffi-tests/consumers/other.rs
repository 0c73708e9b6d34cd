//! Another Rust library in the same program, with the whole of Rust's runtime in it.

#[unsafe(no_mangle)]
pub extern "C" fn other_survives_its_panic() -> i32 {
    std::panic::set_hook(Box::new(|_| {}));
    i32::from(std::panic::catch_unwind(|| std::panic::panic_any(1)).is_err())
}
