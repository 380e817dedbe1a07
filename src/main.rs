//! The multi-call binary: everything is in the library.

fn main() -> std::process::ExitCode {
    boardbox::cli::main()
}
