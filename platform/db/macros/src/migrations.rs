//! The list of a crate's migrations, from its folder.

use std::{env, fs, path::Path};

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, Result};

#[allow(
    clippy::disallowed_methods,
    reason = "a macro learns by it which crate it stands in"
)]
pub(crate) fn expand(input: &TokenStream) -> Result<TokenStream> {
    let failed = |message: String| Error::new(Span::call_site(), message);
    if !input.is_empty() {
        return Err(failed(
            "migrations!() takes nothing: it reads the folder".to_owned(),
        ));
    }
    let root = env::var("CARGO_MANIFEST_DIR").map_err(|e| failed(format!("CARGO_MANIFEST_DIR: {e}")))?;
    let names = names(&Path::new(&root).join("migrations")).map_err(failed)?;
    Ok(quote! {
        &[#(::stoa_db::Migration::new(
            #names,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", #names, ".sql")),
        )),*]
    })
}

/// The names in the folder, without `.sql`, numbered from 1 without a gap.
fn names(folder: &Path) -> std::result::Result<Vec<String>, String> {
    let told = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(told)? {
        let path = entry.map_err(told)?.path();
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.extension().is_none_or(|extension| extension != "sql") {
            return Err(format!(
                "{}: a migration is named as 0001_create_users.sql",
                path.display()
            ));
        }
        names.push(name.to_owned());
    }
    names.sort_unstable();
    for (name, number) in names.iter().zip(1..) {
        if !name.starts_with(&format!("{number:04}_")) {
            return Err(format!(
                "migration {number:04} is expected where {name} is: numbers have no gaps"
            ));
        }
    }
    Ok(names)
}
