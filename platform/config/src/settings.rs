//! Putting the layers together.

use std::{
    collections::HashMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::{
    ConfigError, env, names,
    schema::{Schema, get, sections},
    value,
};

/// The settings in force, and where each comes from.
#[derive(Clone)]
pub struct Settings {
    schema: Schema,
    values: Table,
    /// Of keys that were set.
    sources: HashMap<String, Source>,
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// A settings file.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line.
    CommandLine,
}

impl Settings {
    /// Reads the layers, each outranking those before it.
    ///
    /// `schema` names every setting: a [`Schema`], or just the TOML of the defaults. Of several files later ones outrank
    /// earlier ones. Of `env` only what begins with `STOA_` is looked at, and all of that must be settings: leave out what
    /// is not. `overrides` are pairs of a dotted key and its value.
    ///
    /// # Errors
    /// When a layer cannot be read, names an unknown setting, or gives one a value of the wrong type. All such mistakes
    /// are told at once.
    pub fn load<'p, S: TryInto<Schema, Error: Into<ConfigError>>>(
        schema: S,
        files: impl IntoIterator<Item = &'p Path>,
        env: impl Iterator<Item = (String, String)>,
        overrides: Vec<(String, Value)>,
    ) -> Result<Self, ConfigError> {
        let schema = schema.try_into().map_err(Into::into)?;
        let mut settings = Self {
            values: schema.defaults().clone(),
            schema,
            sources: HashMap::new(),
        };
        let mut problems = Vec::new();
        for path in files {
            settings.add_file(path, &mut problems)?;
        }
        settings.add_env(env, &mut problems);
        for (key, value) in overrides {
            settings.set(&key, value, &Source::CommandLine, &mut problems);
        }
        ConfigError::of(problems)?;
        Ok(settings)
    }

    /// Reads one section, such as `auth` or `gateway.cors`, as its service knows it.
    ///
    /// # Errors
    /// When there is no such section, or a value in it cannot be used; the message names the key and where it was set.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, ConfigError> {
        let section = get(&self.values, name)
            .and_then(Value::as_table)
            .ok_or_else(|| ConfigError::one(format!("there is no section [{name}]{}", self.hint(name))))?;
        let mut section = section.clone();
        // What a service says of the engines it stands on is not its own.
        section.retain(|key, _| !self.schema.is_overlay(name, key));
        self.read(section, |path| dotted(name, path))
    }

    /// Reads the section of an engine, such as `database`, as it holds for one service: what stands in
    /// `[<service>.<engine>]` outranks `[<engine>]`.
    ///
    /// # Errors
    /// As [`Settings::section`]; the message names the key that the value comes from.
    pub fn engine_section<T: DeserializeOwned>(&self, engine: &str, service: &str) -> Result<T, ConfigError> {
        let section = get(&self.values, engine)
            .and_then(Value::as_table)
            .ok_or_else(|| {
                ConfigError::one(format!("there is no section [{engine}]{}", self.hint(engine)))
            })?;
        let mut section = section.clone();
        if let Some(Value::Table(own)) = get(&self.values, &dotted(service, engine)) {
            overlay(&mut section, own);
        }
        self.read(section, |path| self.engine_key(engine, service, path))
    }

    /// The full name of an engine's setting as it holds for one service: `auth.database.url` if it was set there, else
    /// `database.url`. To be named where its value turns out to be of no use.
    #[must_use]
    pub fn engine_key(&self, engine: &str, service: &str, key: &str) -> String {
        let shared = dotted(engine, key);
        let own = dotted(service, &shared);
        if self.sources.contains_key(plain(&own)) {
            own
        } else {
            shared
        }
    }

    /// Reads a table; `name` makes a full key of a path in it.
    fn read<T: DeserializeOwned>(
        &self,
        table: Table,
        name: impl Fn(&str) -> String,
    ) -> Result<T, ConfigError> {
        serde_path_to_error::deserialize(table).map_err(|error| {
            let key = match error.path().to_string().as_str() {
                "." => name(""),
                path => name(path),
            };
            let message = error.inner().message().trim_end().to_owned();
            let from = origin(&self.source(plain(&key)));
            ConfigError::one(format!("{key}{from}: {message}"))
        })
    }

    /// Where the setting `key` comes from.
    #[must_use]
    pub fn source(&self, key: &str) -> Source {
        self.sources.get(key).cloned().unwrap_or(Source::Default)
    }

    /// Calls `look` with the full name of each setting that has a value, the value and its default.
    pub fn each(&self, mut look: impl FnMut(&str, &Value, &Value)) {
        for key in self.schema.keys() {
            if let (Some(value), Some(default)) = (get(&self.values, &key), self.schema.default_of(&key)) {
                look(&key, value, default);
            }
        }
    }

    /// The settings in force as TOML, secrets masked. With `show_sources`, those that differ from their defaults are
    /// followed by where they come from.
    #[must_use]
    pub fn print(&self, show_sources: bool) -> String {
        crate::print::table(&self.values, |key, value| {
            (show_sources && get(self.schema.defaults(), key) != Some(value)).then(|| self.source(key))
        })
    }

    /// A file that does not parse tells nothing else.
    fn add_file(&mut self, path: &Path, problems: &mut Vec<String>) -> Result<(), ConfigError> {
        let wrong = |what: &str, why: String| {
            ConfigError::one(format!(
                "the settings file {} cannot be {what}: {}",
                path.display(),
                why.trim_end()
            ))
        };
        let text = fs::read_to_string(path).map_err(|e| wrong("read", e.to_string()))?;
        let table: Table = text
            .parse()
            .map_err(|e: toml::de::Error| wrong("understood", place_of(&text, &e)))?;
        let source = Source::File(path.to_owned());
        for (key, value) in table {
            self.set(&key, value, &source, problems);
        }
        Ok(())
    }

    fn add_env(&mut self, env: impl Iterator<Item = (String, String)>, problems: &mut Vec<String>) {
        let keys = self.schema.keys();
        let known: HashMap<String, &String> = keys.iter().map(|key| (env::variable(key), key)).collect();
        for (name, text) in env.filter(|(name, _)| name.starts_with(env::PREFIX)) {
            let Some(key) = known.get(&name) else {
                let hint = names::hint(&name, known.keys().map(String::as_str), "__");
                problems.push(format!(
                    "{name} in the environment is no setting, which are STOA_<SECTION>__<KEY>{hint}"
                ));
                continue;
            };
            let Some(default) = self.schema.default_of(key) else {
                continue;
            };
            let read = value::read(&text, default);
            let source = Source::Variable(name);
            match read {
                Ok(value) => self.set(key, value, &source, problems),
                Err(expected) => problems.push(mismatch(key, &source, &expected, &Value::String(text))),
            }
        }
    }

    /// Sets a setting, or all that are in a section.
    fn set(&mut self, key: &str, value: Value, source: &Source, problems: &mut Vec<String>) {
        let Some(default) = self.schema.default_of(key).cloned() else {
            problems.push(format!(
                "{key}{} is not a setting{}",
                origin(source),
                self.hint(key)
            ));
            return;
        };
        match value {
            Value::Table(table) if default.is_table() => {
                for (name, value) in table {
                    self.set(&format!("{key}.{name}"), value, source, problems);
                }
            }
            value => match value::fit(value.clone(), &default) {
                Ok(value) => {
                    put(&mut self.values, key, value);
                    self.sources.insert(key.to_owned(), source.clone());
                }
                Err(expected) => problems.push(mismatch(key, source, &expected, &value)),
            },
        }
    }

    /// The name that was meant by `key`, as the end of a sentence.
    fn hint(&self, key: &str) -> String {
        let mut names = self.schema.keys();
        names.extend(sections(self.schema.defaults()));
        names::hint(key, names.iter().map(String::as_str), ".")
    }
}

/// What is wrong with a file and in which line. Not the line itself: a password may stand in it.
fn place_of(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {}", before.matches('\n').count() + 1, error.message()),
        None => error.message().to_owned(),
    }
}

/// Who set it, to be put after a setting's name; nothing for a default.
fn origin(source: &Source) -> String {
    if *source == Source::Default {
        String::new()
    } else {
        format!(" (from {source})")
    }
}

fn mismatch(key: &str, source: &Source, expected: &str, found: &Value) -> String {
    let found_type = match found {
        Value::Table(_) => "a section".to_owned(),
        other => format!("{} ({})", value::shown(key, other), value::type_name(other)),
    };
    format!("{key}{} must be {expected}, not {found_type}", origin(source))
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File(path) => path.display().fmt(f),
            Self::Variable(name) => write!(f, "{name} in the environment"),
            Self::CommandLine => f.write_str("the command line"),
        }
    }
}

impl fmt::Debug for Settings {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.print(true))
    }
}

/// Puts a value under a dotted key, in sections that are made where there are none: those of a schema's overlays.
fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Puts what stands in `upper` over `lower`.
fn overlay(lower: &mut Table, upper: &Table) {
    for (key, value) in upper {
        match (lower.get_mut(key), value) {
            (Some(Value::Table(lower)), Value::Table(upper)) => overlay(lower, upper),
            _ => {
                lower.insert(key.clone(), value.clone());
            }
        }
    }
}

fn dotted(section: &str, key: &str) -> String {
    if key.is_empty() {
        section.to_owned()
    } else {
        format!("{section}.{key}")
    }
}

/// A key without the place in a list: an item was set where the list was.
fn plain(key: &str) -> &str {
    key.split('[').next().unwrap_or(key)
}
