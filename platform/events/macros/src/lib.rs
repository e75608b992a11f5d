//! `#[derive(Event)]` and `#[derive(Job)]` of the crate `stoa-events`.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{format_ident, quote};
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, Lit, LitInt, LitStr, Meta, MetaNameValue, Result,
    parse_macro_input,
};

/// `#[event(name = "profile.created", key = "user:{user_id}")]`: the name never changes; events of one key keep their order. The key's
/// braces name fields.
#[proc_macro_derive(Event, attributes(event))]
pub fn event(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand_event(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

/// `#[job(name = "users.remove_avatar")]`, with `key = "user:{user_id}"` for those that run one after the other, and `priority = 10`,
/// where the default is 0 and higher runs first.
#[proc_macro_derive(Job, attributes(job))]
pub fn job(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand_job(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn expand_event(input: &DeriveInput) -> Result<Tokens> {
    let given = Given::read(input, "event")?;
    let key = given
        .key
        .ok_or_else(|| Error::new_spanned(&input.ident, "an event has a key: #[event(name = …, key = …)]"))?;
    let (name, ident, about, fields) = (given.name, &input.ident, first_line(input), fields(input)?);
    let made = formatted(&key)?;
    Ok(quote! {
        impl ::stoa_events::Event for #ident {
            const NAME: &'static str = #name;
            const INFO: ::stoa_events::EventInfo = ::stoa_events::EventInfo {
                name: #name,
                about: #about,
                key: #key,
                fields: &[#(#fields),*],
            };

            fn key(&self) -> ::std::string::String {
                #made
            }
        }
    })
}

/// The first line of the type's documentation.
fn first_line(input: &DeriveInput) -> String {
    let line = input.attrs.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(MetaNameValue {
            path,
            value: Expr::Lit(value),
            ..
        }) if path.is_ident("doc") => match &value.lit {
            Lit::Str(text) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    line.unwrap_or_default()
}

fn fields(input: &DeriveInput) -> Result<Vec<String>> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "an event is a struct"));
    };
    let names = data.fields.iter().filter_map(|field| field.ident.as_ref());
    Ok(names.map(ToString::to_string).collect())
}

fn expand_job(input: &DeriveInput) -> Result<Tokens> {
    let given = Given::read(input, "job")?;
    let (name, ident) = (given.name, &input.ident);
    let priority = given
        .priority
        .map(|priority| quote! { const PRIORITY: i16 = #priority; });
    let key = given.key.as_ref().map(formatted).transpose()?.map(|key| {
        quote! {
            fn key(&self) -> ::std::option::Option<::std::string::String> {
                ::std::option::Option::Some(#key)
            }
        }
    });
    Ok(quote! {
        impl ::stoa_events::Job for #ident {
            const NAME: &'static str = #name;
            #priority
            #key
        }
    })
}

/// What stands in the attribute.
struct Given {
    name: LitStr,
    key: Option<LitStr>,
    priority: Option<LitInt>,
}

impl Given {
    fn read(input: &DeriveInput, attribute: &str) -> Result<Self> {
        let (mut name, mut key, mut priority) = (None, None, None);
        let ours = |found: &&Attribute| found.path().is_ident(attribute);
        for found in input.attrs.iter().filter(ours) {
            found.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    name = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("key") {
                    key = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("priority") && attribute == "job" {
                    priority = Some(meta.value()?.parse()?);
                } else {
                    return Err(meta.error("`name`, `key` and, of a job, `priority` are known"));
                }
                Ok(())
            })?;
        }
        let missing = || Error::new_spanned(&input.ident, format!("#[{attribute}(name = …)] is missing"));
        Ok(Self {
            name: name.ok_or_else(missing)?,
            key,
            priority,
        })
    }
}

/// The text with the fields of `self` that its braces name.
fn formatted(text: &LitStr) -> Result<Tokens> {
    let value = text.value();
    let mut fields: Vec<_> = value
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(field, _)| field.to_owned()))
        .collect();
    fields.sort_unstable();
    fields.dedup();
    if fields
        .iter()
        .any(|field| syn::parse_str::<syn::Ident>(field).is_err())
    {
        return Err(Error::new_spanned(
            text,
            "braces name a field, as in \"user:{user_id}\"",
        ));
    }
    let fields: Vec<_> = fields.iter().map(|field| format_ident!("{field}")).collect();
    Ok(quote! { ::std::format!(#text, #(#fields = self.#fields),*) })
}
