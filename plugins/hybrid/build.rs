//! Shared by the plugins that read documents. Parsers of PDF follow nesting by recursion, up to depths that they
//! bound: a stack of 4 MiB in the place of the small plugins' 128 KiB. What overflows it traps, which ends one
//! document.

fn main() {
    println!("cargo::rerun-if-changed=../hybrid/build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=4194304");
    }
}
