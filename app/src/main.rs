//! `stoa`: one roof for the whole backend of a product.

mod assemble;
mod audit;
mod banner;
mod channels;
mod checks;
mod cli;
mod data_dir;
mod health;
mod lifecycle;
mod mount;
mod openapi;
mod reload;
mod rpc;
mod services;
mod settings;
mod tls;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keep_to_small_pages();
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::failed(&error),
    };
    match runtime.block_on(cli.run()) {
        Ok(code) => code,
        Err(error) => cli::failed(&*error),
    }
}

/// Where the allocator asks for huge pages the kernel fills in two megabytes at once, most of which stay empty: an idle process took up
/// 14 MiB more by it, and was not faster under load. Where it cannot be refused it stays as it is.
fn keep_to_small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
