//! Filters are evaluated by recursion, and nest deeper than what other plugins do: a stack of a MiB in the place
//! of their 128 KiB. What overflows it traps, which ends one call.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=1048576");
    }
}
