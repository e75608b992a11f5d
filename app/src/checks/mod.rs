//! What is wrong with the settings. `serve`, `config check` and `doctor` all ask here, so that what one of them refuses the
//! others refuse too. Nothing is opened, made or asked over the network; files of certificates are read.

mod bounds;
mod engines;
mod server;
mod services;

use stoa_config::{ConfigError, Settings};

use crate::services::Services;

/// Refuses settings that a process with these services cannot be served by, or that can never have an effect. Says everything
/// that is wrong, each with the setting's name and what to do.
pub(crate) fn check(settings: &Settings, services: &Services) -> Result<(), ConfigError> {
    let mut problems = Problems::default();
    bounds::check(settings, &mut problems);
    server::check(settings, services, &mut problems);
    engines::check(settings, &mut problems);
    services::check(settings, services, &mut problems);
    ConfigError::of(problems.texts)
}

/// What was found so far.
#[derive(Default)]
struct Problems {
    texts: Vec<String>,
    /// Settings that are out of bounds by themselves: what else is wrong with them is not told.
    out_of_bounds: Vec<String>,
}

impl Problems {
    /// The value, unless it is a problem.
    fn take<T, E: ToString>(&mut self, found: Result<T, E>) -> Option<T> {
        found.map_err(|problem| self.add(problem)).ok()
    }

    #[expect(clippy::needless_pass_by_value, reason = "errors, as they come")]
    fn add(&mut self, problem: impl ToString) {
        let text = problem.to_string();
        let setting = text.split([' ', ':']).next().unwrap_or_default();
        if !self.out_of_bounds.iter().any(|one| one == setting) && !self.texts.contains(&text) {
            self.texts.push(text);
        }
    }

    /// A value that is out of bounds.
    fn of_setting(&mut self, key: &str, problem: String) {
        self.out_of_bounds.push(key.to_owned());
        self.texts.push(problem);
    }
}
