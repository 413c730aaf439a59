//! The program `sysflow`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    sysflow_processor::cli::main()
}
