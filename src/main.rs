//! The `irctl` program. This file alone ends the process.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(irctl::cli::main())
}
