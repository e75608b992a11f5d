//! `stoa`: one roof for the whole backend of a product.

mod assemble;
mod audit;
mod banner;
mod checks;
mod cli;
mod data_dir;
mod health;
mod lifecycle;
mod mount;
mod openapi;
mod reload;
mod roles;
mod rpc;
mod settings;
mod tls;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
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
