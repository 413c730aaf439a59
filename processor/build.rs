//! The page is embedded as it is at build time: look again whenever it was built anew.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../viewer/dist");
}
