//! Has the crate built anew when there is another migration.

#![allow(clippy::print_stdout, reason = "it is how Cargo is told")]

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
