//! `#[derive(Event)]` and `#[derive(Job)]` of the crate `stoa-events`.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{format_ident, quote};
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, GenericArgument, Ident, Lit, LitInt, LitStr, Meta,
    MetaNameValue, PathArguments, Result, Token, Type, parse_macro_input, parse_quote,
};

/// `#[event(name = "profile.created", key = "user:{user_id}")]`: the name never changes; events of one key keep their order. The key's
/// braces name fields.
///
/// With `audience = "owner"`, `"installation"` or `"internal"`: who outside of the services may be given it. Without, it is the owner
/// where the key names one (`user:{…}`, `organization:{…}`, `{owner}`) or a field `owner: Owner` does, and else those who run the
/// installation. So an event that has an owner, and whose data is not for that owner, says so.
///
/// A field's type has a `ToSchema`. `#[event(example = "ada@example.com")]` on a field is what samples have there.
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
    let (name, ident, about) = (given.name, &input.ident, first_paragraph(&input.attrs));
    let fields = fields(input)?;
    let audience = audience(given.audience.as_ref(), &key, &fields)?;
    let names = fields.iter().map(|field| &field.name);
    let described = fields.iter().map(Field::described);
    let made = formatted(&key)?;
    Ok(quote! {
        impl ::stoa_events::Event for #ident {
            const NAME: &'static str = #name;
            const INFO: ::stoa_events::EventInfo = ::stoa_events::EventInfo {
                name: #name,
                about: #about,
                key: #key,
                fields: &[#(#names),*],
                audience: ::stoa_events::Audience::#audience,
                data: &[#(#described),*],
                reads: |data| ::stoa_events::reads::<#ident>(data),
            };

            fn key(&self) -> ::std::string::String {
                #made
            }
        }
    })
}

/// Who may be given the event: as it says, or as its key does.
fn audience(given: Option<&LitStr>, key: &LitStr, fields: &[Field]) -> Result<Ident> {
    let Some(given) = given else {
        let key = key.value();
        let has_owner = fields.iter().any(Field::is_owner)
            || key.starts_with("user:{")
            || key.starts_with("organization:{")
            || key == "{owner}";
        return Ok(format_ident!(
            "{}",
            if has_owner { "Owner" } else { "Installation" }
        ));
    };
    match given.value().as_str() {
        "owner" => Ok(format_ident!("Owner")),
        "installation" => Ok(format_ident!("Installation")),
        "internal" => Ok(format_ident!("Internal")),
        _ => Err(Error::new_spanned(
            given,
            "an audience is owner, installation or internal",
        )),
    }
}

/// The first paragraph of an item's documentation, on one line.
fn first_paragraph(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
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
    let lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// A part of an event's data.
struct Field {
    name: String,
    about: String,
    ty: Type,
    /// Whether it may be left out.
    optional: bool,
    example: Option<Expr>,
}

impl Field {
    /// Whether it names the event's owner.
    fn is_owner(&self) -> bool {
        let Type::Path(path) = &self.ty else { return false };
        self.name == "owner"
            && path
                .path
                .segments
                .last()
                .is_some_and(|last| last.ident == "Owner")
    }

    fn described(&self) -> Tokens {
        let Self {
            name,
            about,
            ty,
            optional,
            example,
        } = self;
        let example = match example {
            Some(example) => quote! { ::std::option::Option::Some(|| ::stoa_events::example(#example)) },
            None => quote! { ::std::option::Option::None },
        };
        quote! {
            ::stoa_events::FieldInfo {
                name: #name,
                about: #about,
                optional: #optional,
                schema: ::stoa_events::schema::<#ty>,
                example: #example,
            }
        }
    }
}

fn fields(input: &DeriveInput) -> Result<Vec<Field>> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "an event is a struct"));
    };
    data.fields.iter().filter_map(field).collect()
}

/// The type with, in place of types that have no schema as they are, those that stand for them in descriptions.
fn with_schema(mut ty: Type) -> Type {
    let Type::Path(path) = &mut ty else { return ty };
    let Some(last) = path.path.segments.last_mut() else {
        return ty;
    };
    match last.ident.to_string().as_str() {
        "Timestamp" => return parse_quote!(::stoa_events::DateTime),
        "Uuid" => return parse_quote!(::stoa_events::EventId),
        "Value" | "RawValue" => return parse_quote!(::stoa_events::AnyJson),
        _ => {}
    }
    if let PathArguments::AngleBracketed(arguments) = &mut last.arguments {
        for argument in &mut arguments.args {
            if let GenericArgument::Type(inner) = argument {
                *inner = with_schema(inner.clone());
            }
        }
    }
    ty
}

fn field(field: &syn::Field) -> Option<Result<Field>> {
    let mut read = Field {
        name: field.ident.as_ref()?.to_string(),
        about: first_paragraph(&field.attrs),
        ty: with_schema(field.ty.clone()),
        optional: false,
        example: None,
    };
    for attribute in &field.attrs {
        let parsed = if attribute.path().is_ident("event") {
            attribute.parse_nested_meta(|meta| {
                if !meta.path.is_ident("example") {
                    return Err(meta.error("of a field `example` is known"));
                }
                read.example = Some(meta.value()?.parse()?);
                Ok(())
            })
        } else if attribute.path().is_ident("serde") {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    read.name = meta.value()?.parse::<LitStr>()?.value();
                } else if meta.path.is_ident("skip_serializing_if") {
                    read.optional = true;
                    meta.value()?.parse::<LitStr>()?;
                } else if meta.input.peek(Token![=]) {
                    meta.value()?.parse::<Expr>()?;
                }
                Ok(())
            })
        } else {
            Ok(())
        };
        if let Err(error) = parsed {
            return Some(Err(error));
        }
    }
    Some(Ok(read))
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
    audience: Option<LitStr>,
}

impl Given {
    fn read(input: &DeriveInput, attribute: &str) -> Result<Self> {
        let (mut name, mut key, mut priority, mut audience) = (None, None, None, None);
        let ours = |found: &&Attribute| found.path().is_ident(attribute);
        for found in input.attrs.iter().filter(ours) {
            found.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    name = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("key") {
                    key = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("priority") && attribute == "job" {
                    priority = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("audience") && attribute == "event" {
                    audience = Some(meta.value()?.parse()?);
                } else {
                    return Err(meta
                        .error("`name`, `key`, of an event `audience`, and of a job `priority` are known"));
                }
                Ok(())
            })?;
        }
        let missing = || Error::new_spanned(&input.ident, format!("#[{attribute}(name = …)] is missing"));
        Ok(Self {
            name: name.ok_or_else(missing)?,
            key,
            priority,
            audience,
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
    if fields.iter().any(|field| syn::parse_str::<Ident>(field).is_err()) {
        return Err(Error::new_spanned(
            text,
            "braces name a field, as in \"user:{user_id}\"",
        ));
    }
    let fields: Vec<_> = fields.iter().map(|field| format_ident!("{field}")).collect();
    Ok(quote! { ::std::format!(#text, #(#fields = self.#fields),*) })
}
