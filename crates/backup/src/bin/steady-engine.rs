//! The backup engine alone, as the tests of this crate start it; `steady engine` is the same.

fn main() -> std::process::ExitCode {
    steady_backup::engine_main()
}
