//! What can be set: the defaults, and which sections a service may set for itself alone.

use std::convert::Infallible;

use toml::{Table, Value};

use crate::ConfigError;

/// Every setting with its default.
#[derive(Clone, Debug)]
pub struct Schema {
    defaults: Table,
    overlays: Vec<Overlay>,
}

/// A section that services may set for themselves: `[auth.database]` over `[database]`.
#[derive(Clone, Debug)]
struct Overlay {
    engine: &'static str,
    services: Vec<&'static str>,
}

impl Schema {
    /// `defaults` is TOML that names every setting.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn new(defaults: &str) -> Result<Self, ConfigError> {
        let defaults = defaults
            .parse()
            .map_err(|e| ConfigError::one(format!("the defaults cannot be read: {e}")))?;
        Ok(Self {
            defaults,
            overlays: Vec::new(),
        })
    }

    /// Lets each of `services` set what stands in the section `engine` for itself alone, in `[<service>.<engine>]`.
    /// Read it with [`Settings::engine_section`](crate::Settings::engine_section).
    #[must_use]
    pub fn per_service(
        mut self,
        engine: &'static str,
        services: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        self.overlays.push(Overlay {
            engine,
            services: services.into_iter().collect(),
        });
        self
    }

    pub(crate) fn defaults(&self) -> &Table {
        &self.defaults
    }

    /// Whether `[section.key]` is what a service says of an engine.
    pub(crate) fn is_overlay(&self, section: &str, key: &str) -> bool {
        self.overlays
            .iter()
            .any(|one| one.engine == key && one.services.contains(&section))
    }

    /// The value whose type a setting must have; for `auth.database.url` that of `database.url`.
    pub(crate) fn default_of(&self, key: &str) -> Option<&Value> {
        get(&self.defaults, key).or_else(|| {
            let (service, rest) = key.split_once('.')?;
            let engine = rest.split('.').next()?;
            self.is_overlay(service, engine)
                .then(|| get(&self.defaults, rest))
                .flatten()
        })
    }

    /// The dotted keys of all settings.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut all = keys(&self.defaults);
        for one in &self.overlays {
            let Some(Value::Table(section)) = self.defaults.get(one.engine) else {
                continue;
            };
            for service in &one.services {
                let own = keys(section).into_iter();
                all.extend(own.map(|key| format!("{service}.{}.{key}", one.engine)));
            }
        }
        all
    }
}

impl TryFrom<&str> for Schema {
    type Error = ConfigError;

    fn try_from(defaults: &str) -> Result<Self, ConfigError> {
        Self::new(defaults)
    }
}

impl From<Infallible> for ConfigError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What stands under a dotted key.
pub(crate) fn get<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((section, rest)) => get(table.get(section)?.as_table()?, rest),
    }
}

/// The dotted keys of all settings in a table.
fn keys(table: &Table) -> Vec<String> {
    let below = |name: &String, inner: &Table| {
        keys(inner)
            .into_iter()
            .map(|key| format!("{name}.{key}"))
            .collect()
    };
    let of = |(name, value): (&String, &Value)| {
        value
            .as_table()
            .map_or_else(|| vec![name.clone()], |inner| below(name, inner))
    };
    table.iter().flat_map(of).collect()
}

/// The dotted names of all sections in a table.
pub(crate) fn sections(table: &Table) -> Vec<String> {
    let mut all = Vec::new();
    for (name, inner) in table
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_table()?)))
    {
        all.push(name.clone());
        all.extend(sections(inner).into_iter().map(|below| format!("{name}.{below}")));
    }
    all
}
