//! Shared by the plugins. With a small stack, all memory that a call touches lies in the first pages, and those
//! the host keeps from one instance to the next: it halves what a short exchange costs. What overflows it
//! traps, which ends one call.

fn main() {
    println!("cargo::rerun-if-changed=../build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=131072");
    }
}
