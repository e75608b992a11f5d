//! Putting the layers together.

use std::{
    collections::HashMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::{ConfigError, env, names, value};

/// The settings in force, and where each comes from.
#[derive(Clone)]
pub struct Settings {
    defaults: Table,
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
    /// `defaults` is TOML that names every setting. Of `env` only what begins with `STOA_` is looked at, and all of that
    /// must be settings: leave out what is not. `overrides` are pairs of a dotted key and its value.
    ///
    /// # Errors
    /// When a layer cannot be read, names an unknown setting, or gives one a value of the wrong type. All such mistakes
    /// are told at once.
    pub fn load(
        defaults: &str,
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        overrides: Vec<(String, Value)>,
    ) -> Result<Self, ConfigError> {
        let defaults: Table = defaults
            .parse()
            .map_err(|e| ConfigError::one(format!("the defaults cannot be read: {e}")))?;
        let mut settings = Self {
            values: defaults.clone(),
            defaults,
            sources: HashMap::new(),
        };
        let mut problems = Vec::new();
        if let Some(path) = file {
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
            .filter(|value| value.is_table())
            .ok_or_else(|| ConfigError::one(format!("there is no section [{name}]{}", self.hint(name))))?;
        serde_path_to_error::deserialize(section.clone()).map_err(|error| {
            let key = match error.path().to_string().as_str() {
                "." => name.to_owned(),
                path => format!("{name}.{path}"),
            };
            let message = error.inner().message().trim_end().to_owned();
            // An item of a list was set where the list was.
            let from = origin(&self.source(key.split('[').next().unwrap_or(&key)));
            ConfigError::one(format!("{key}{from}: {message}"))
        })
    }

    /// Where the setting `key` comes from.
    #[must_use]
    pub fn source(&self, key: &str) -> Source {
        self.sources.get(key).cloned().unwrap_or(Source::Default)
    }

    /// The settings in force as TOML, secrets masked. With `show_sources`, those that differ from their defaults are
    /// followed by where they come from.
    #[must_use]
    pub fn print(&self, show_sources: bool) -> String {
        crate::print::table(&self.values, |key, value| {
            (show_sources && get(&self.defaults, key) != Some(value)).then(|| self.source(key))
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
            .map_err(|e: toml::de::Error| wrong("understood", e.to_string()))?;
        let source = Source::File(path.to_owned());
        for (key, value) in table {
            self.set(&key, value, &source, problems);
        }
        Ok(())
    }

    fn add_env(&mut self, env: impl Iterator<Item = (String, String)>, problems: &mut Vec<String>) {
        let keys = keys(&self.defaults);
        let known: HashMap<String, &String> = keys.iter().map(|key| (env::variable(key), key)).collect();
        for (name, text) in env.filter(|(name, _)| name.starts_with(env::PREFIX)) {
            let Some(key) = known.get(&name) else {
                let hint = names::hint(&name, known.keys().map(String::as_str), "__");
                problems.push(format!(
                    "{name} in the environment is no setting, which are STOA_<SECTION>__<KEY>{hint}"
                ));
                continue;
            };
            let Some(default) = get(&self.defaults, key) else {
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
        let Some(default) = get(&self.defaults, key) else {
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
            value => match value::fit(value.clone(), default) {
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
        let mut names = keys(&self.defaults);
        names.extend(sections(&self.defaults));
        names::hint(key, names.iter().map(String::as_str), ".")
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

/// What stands under a dotted key.
fn get<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((section, rest)) => get(table.get(section)?.as_table()?, rest),
    }
}

fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(section) {
                put(inner, rest, value);
            }
        }
    }
}

/// The dotted keys of all settings.
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

/// The dotted names of all sections.
fn sections(table: &Table) -> Vec<String> {
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
