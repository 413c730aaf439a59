//! The checked-in bindings are what bindgen makes of the header.

use std::path::Path;

/// Set to anything, the test writes the bindings instead of comparing them.
const UPDATE: &str = "SYSFLOW_UPDATE_BINDINGS";

#[test]
fn bindings_are_current() {
    let Some(made) = generate() else { return };
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/host/abi.rs"));
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(path, &made).expect("src/host/abi.rs can be written");
    }
    let found = std::fs::read_to_string(path).expect("src/host/abi.rs can be read");
    assert!(
        found == made,
        "src/host/abi.rs is not made from abi/falco_plugin_abi.h: run this test with {UPDATE}=1"
    );
}

/// `None` when libclang is not on this machine, which is a failure in CI only.
fn generate() -> Option<String> {
    let bindings = std::panic::catch_unwind(|| {
        bindgen::Builder::default()
            .header(concat!(env!("CARGO_MANIFEST_DIR"), "/abi/falco_plugin_abi.h"))
            .raw_line("//! Made by bindgen from abi/falco_plugin_abi.h; the test `bindings_are_current` compares and renews it.")
            .disable_header_comment()
            .allowlist_type("ss_.*|falco_plugin_.*")
            .allowlist_var("SS_PLUGIN_.*|FTYPE_.*|FALCO_PLUGIN_.*")
            .default_macro_constant_type(bindgen::MacroTypeVariation::Signed)
            .generate_comments(false)
            .use_core()
            .derive_debug(true)
            .formatter(bindgen::Formatter::Prettyplease)
            .generate()
    });
    match bindings {
        Ok(Ok(bindings)) => Some(bindings.to_string()),
        Ok(Err(e)) => panic!("bindgen cannot read the header: {e}"),
        Err(panic) => {
            // bindgen panics when it cannot load libclang.
            let why = panic.downcast_ref::<String>().map_or("?", String::as_str);
            assert!(std::env::var_os("CI").is_none(), "libclang must be there in CI (libclang-dev): {why}");
            println!("skipped: no libclang here, install libclang-dev ({why})");
            None
        }
    }
}
