//! The query string.

use axum::extract::FromRequestParts;
use garde::Validate;
use http::request::Parts;
use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, Unexpected, VariantAccess,
        Visitor, value::MapDeserializer,
    },
    forward_to_deserialize_any,
};

use crate::{Failure, Result, codes, input, validation};

/// The query string, under the rules of [`Json`](crate::Json): unknown and repeated parameters are refused, then `garde` validates.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Validate<Context = ()>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let value = parse(parts.uri.query().unwrap_or_default())?;
        validation::check(&value)?;
        Ok(Self(value))
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T> {
    read(checked(query)?)
}

/// Names and values, of which no name comes twice.
pub(crate) fn checked(query: &str) -> Result<Vec<(String, String)>> {
    let pairs = pairs(query)?;
    for (at, (name, value)) in pairs.iter().enumerate() {
        if name.contains('\0') || value.contains('\0') {
            return Err(input::nul(name.replace('\0', "\u{fffd}")));
        }
        if pairs[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(Failure::invalid(
                name,
                "duplicate_field",
                "This parameter is given twice",
            ));
        }
    }
    Ok(pairs)
}

pub(crate) fn read<T: DeserializeOwned>(pairs: Vec<(String, String)>) -> Result<T> {
    let pairs = pairs.into_iter().map(|(name, value)| (name, Text(value)));
    serde_path_to_error::deserialize(MapDeserializer::new(pairs)).map_err(|error| input::refusal(&error))
}

/// More than any of our queries needs; keeps the search for repeated names cheap.
const MAX_PARAMETERS: usize = 100;

fn pairs(query: &str) -> Result<Vec<(String, String)>> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let pairs = parts.take(MAX_PARAMETERS + 1).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Ok((decode(name)?, decode(value)?))
    });
    let pairs = pairs.collect::<Result<Vec<_>>>()?;
    if pairs.len() > MAX_PARAMETERS {
        return Err(Failure::new(codes::MALFORMED).detail("The query has too many parameters."));
    }
    Ok(pairs)
}

/// Undoes form encoding. A `%` that begins no escape stands for itself, as in browsers.
fn decode(text: &str) -> Result<String> {
    let text = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&text).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Failure::new(codes::MALFORMED).detail("The query is not UTF-8."))
}

/// The text of a parameter, read as whatever the field wants.
struct Text(String);

impl IntoDeserializer<'_> for Text {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            match self.0.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(de::Error::invalid_type(Unexpected::Str(&self.0), &visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Text {
    type Error = de::value::Error;

    parsed! {
        deserialize_bool visit_bool bool;
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_f32 visit_f32 f32;
        deserialize_f64 visit_f64 f64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_string(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Text {
    type Error = de::value::Error;
    type Variant = Unit;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Unit), Self::Error> {
        seed.deserialize(self).map(|value| (value, Unit))
    }
}

/// A variant that is only its name.
struct Unit;

impl<'de> VariantAccess<'de> for Unit {
    type Error = de::value::Error;

    fn unit_variant(self) -> Result<(), Self::Error> {
        Ok(())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Self::Error> {
        Err(de::Error::custom("a query holds no such value"))
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("a query holds no such value"))
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("a query holds no such value"))
    }
}
