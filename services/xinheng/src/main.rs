//! The one binary of the suite.

// Rows come and go by the million in small pieces, over several threads: glibc's allocator costs a tenth of an intake's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    xinheng::command::run()
}
