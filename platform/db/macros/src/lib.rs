//! `#[derive(FromRow)]`, `#[db_test]` and `migrations!()` of the crate `stoa-db`.

mod migrations;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Data, DeriveInput, Error, Field, Fields, FnArg, ItemFn, LitStr, Result, parse_macro_input};

/// Makes a struct from a row: each field is the column of its name, or that of `#[row(rename = "…")]`.
#[proc_macro_derive(FromRow, attributes(row))]
pub fn from_row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand_from_row(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn expand_from_row(input: &DeriveInput) -> Result<Tokens> {
    let wanted = || Error::new_spanned(&input.ident, "FromRow is for structs with named fields");
    let Data::Struct(data) = &input.data else {
        return Err(wanted());
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(wanted());
    };
    let columns = fields.named.iter().enumerate().map(|(at, field)| {
        let (ident, column) = (&field.ident, column(field)?);
        Ok(quote! { #ident: row.get(#at, #column)? })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let name = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    Ok(quote! {
        impl #impl_generics ::stoa_db::FromRow for #name #type_generics #where_clause {
            fn from_row(row: &::stoa_db::Row<'_>) -> ::std::result::Result<Self, ::stoa_db::Error> {
                ::std::result::Result::Ok(Self { #(#columns),* })
            }
        }
    })
}

fn column(field: &Field) -> Result<String> {
    let mut name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    for attribute in field
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("row"))
    {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("rename") {
                return Err(meta.error("only `rename` is known"));
            }
            name = meta.value()?.parse::<LitStr>()?.value();
            Ok(())
        })?;
    }
    Ok(name.trim_start_matches("r#").to_owned())
}

/// `migrations!()`: the files of the folder `migrations` of the crate that it stands in, in order: `0001_create_users.sql`, …, as
/// `&[Migration]`. A number that is missing or there twice does not compile. For Cargo to see a new file, the crate's `build.rs`
/// prints `cargo:rerun-if-changed=migrations`.
#[proc_macro]
pub fn migrations(input: TokenStream) -> TokenStream {
    migrations::expand(&input.into())
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

/// Turns `async fn story(db: T)`, where `T: stoa_db::testing::DbTest`, into two tests: `story::sqlite` and `story::postgres`.
#[proc_macro_attribute]
pub fn db_test(_: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    expand_db_test(&function)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn expand_db_test(function: &ItemFn) -> Result<Tokens> {
    let signature = &function.sig;
    let mut inputs = signature.inputs.iter();
    let (Some(FnArg::Typed(input)), None, Some(_)) = (inputs.next(), inputs.next(), &signature.asyncness)
    else {
        return Err(Error::new_spanned(
            signature,
            "a db_test is an async fn with one argument",
        ));
    };
    let (name, body, attributes) = (&signature.ident, &function.block, &function.attrs);
    Ok(quote! {
        mod #name {
            use super::*;

            async fn story(#input) #body

            #(#attributes)*
            #[test]
            fn sqlite() {
                ::stoa_db::testing::run(::stoa_db::Engine::Sqlite, story);
            }

            #(#attributes)*
            #[test]
            fn postgres() {
                ::stoa_db::testing::run(::stoa_db::Engine::Postgres, story);
            }
        }
    })
}
