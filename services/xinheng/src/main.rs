//! The one binary of the suite.

fn main() -> std::process::ExitCode {
    xinheng::command::run()
}
