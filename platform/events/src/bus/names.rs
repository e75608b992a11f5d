//! What things are called on a broker.

/// Names, all with the installation's prefix.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    fn with(&self, separator: char, name: &str) -> String {
        if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}{separator}{name}", self.prefix)
        }
    }

    /// NATS: the stream of all events. No dots are allowed in it.
    pub(super) fn stream(&self) -> String {
        self.with('_', "events")
    }

    /// NATS: `events.user.registered`; with `>` for the event, all of them.
    pub(super) fn subject(&self, event: &str) -> String {
        self.with('.', &format!("events.{event}"))
    }

    /// RabbitMQ: `user.events` for `user.registered`.
    pub(super) fn exchange(&self, event: &str) -> String {
        let noun = event.split('.').next().unwrap_or(event);
        self.with('.', &format!("{noun}.events"))
    }

    /// RabbitMQ: what a service is to take.
    pub(super) fn inbox(&self, service: &str) -> String {
        self.with('.', &format!("{service}.inbox"))
    }

    /// RabbitMQ: where what cannot be taken goes.
    pub(super) fn dead_exchange(&self) -> String {
        self.with('.', "events.dead")
    }

    /// RabbitMQ: what a service could not take.
    pub(super) fn dead(&self, service: &str) -> String {
        self.with('.', &format!("{service}.dead"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_may_put_its_name_before_all() {
        let (plain, staging) = (Names::new(""), Names::new("staging"));
        assert_eq!(plain.exchange("user.registered"), "user.events");
        assert_eq!(staging.exchange("user.registered"), "staging.user.events");
        assert_eq!(plain.subject("user.registered"), "events.user.registered");
        assert_eq!(staging.stream(), "staging_events");
        assert_eq!(staging.inbox("users"), "staging.users.inbox");
    }
}
