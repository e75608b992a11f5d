//! The providers of one channel, in order.

use std::{collections::HashMap, time::Duration};

use stoa_cache::Cache;
use stoa_kernel::Clock;

use crate::{
    Caps, Cause, Receipt, SendError,
    breaker::{Breaker, Pass, note},
    time::Time,
};

/// Takes messages of one kind to their recipients.
pub trait Provider: Send + Sync {
    /// What is sent.
    type Message: Sync + ?Sized;

    /// Sends a message, and returns what the provider calls it.
    fn send(&self, message: &Self::Message) -> impl Future<Output = Result<String, SendError>> + Send;
}

/// A provider as the settings name it.
#[derive(Debug)]
pub struct Entry<P> {
    /// The host of its address, for people to know it by.
    pub name: String,
    /// How much it may be given.
    pub caps: Caps,
    /// What sends.
    pub provider: P,
}

impl<P> Entry<P> {
    /// The same with what `make` makes of the provider.
    pub fn map<Q>(self, make: impl FnOnce(P) -> Q) -> Entry<Q> {
        Entry {
            name: self.name,
            caps: self.caps,
            provider: make(self.provider),
        }
    }
}

/// Providers of one channel: each message goes to the first that can take it.
///
/// A provider that is capped, that asked to be left alone or that failed several times in a row is passed over without an attempt.
/// Where one fails, the next is tried at once, unless the recipient was refused, whom others would refuse as well, or the answer was
/// lost: then the message may have been sent, and only a later attempt may send it again.
pub struct Chain<P> {
    channel: &'static str,
    links: Vec<Link<P>>,
    cache: Cache,
    time: Time,
}

struct Link<P> {
    entry: Entry<P>,
    breaker: Breaker,
}

impl<P: Provider> Chain<P> {
    /// A chain of `providers`, at least one, for `channel`, such as `mail`. Caps are counted in `cache`.
    #[must_use]
    pub fn new(channel: &'static str, providers: Vec<Entry<P>>, cache: Cache, clock: Clock) -> Self {
        let count_of_all = providers.len();
        let mut seen: HashMap<String, usize> = HashMap::new();
        let links = providers.into_iter().map(|mut entry| {
            let count = seen.entry(entry.name.clone()).or_default();
            *count += 1;
            if *count > 1 {
                // Two accounts with one provider are two providers.
                entry.name = format!("{}#{count}", entry.name);
            }
            Link {
                entry,
                breaker: Breaker::among(count_of_all),
            }
        });
        Self {
            channel,
            links: links.collect(),
            cache,
            time: Time::of(clock),
        }
    }

    /// The providers, in order.
    pub fn providers(&self) -> impl Iterator<Item = &P> {
        self.links.iter().map(|link| &link.entry.provider)
    }

    /// Sends a message through the first provider that takes it.
    ///
    /// # Errors
    /// [`SendError::Gone`] and [`SendError::Refused`] of the first provider that says so; [`SendError::Permanent`] when all have
    /// refused it for good; else [`SendError::Transient`], with the time after which a provider is there again.
    pub async fn send(&self, message: &P::Message) -> Result<Receipt, SendError> {
        let mut failures = Failures::default();
        for link in &self.links {
            let name = &link.entry.name;
            let pass = match self.enter(link).await {
                Ok(pass) => pass,
                Err(wait) => {
                    failures.skipped(wait);
                    continue;
                }
            };
            let outcome = link.entry.provider.send(message).await;
            metrics::counter!("stoa_provider_messages_total", "channel" => self.channel, "provider" => name.clone(), "outcome" => label(&outcome))
                .increment(1);
            note(self.channel, name, pass, self.time.elapsed(), &outcome);
            match outcome {
                Ok(id) => {
                    return Ok(Receipt {
                        provider: name.clone(),
                        id,
                    });
                }
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => failures.failed(name, error),
            }
        }
        Err(failures.into_error())
    }

    /// Lets an attempt through; or says in how long the provider is to be had again.
    async fn enter<'a>(&self, link: &'a Link<P>) -> Result<Pass<'a>, Duration> {
        let pass = link.breaker.enter(self.time.elapsed())?;
        let key = format!("{}:{}", self.channel, link.entry.name);
        link.entry.caps.count(&self.cache, &key, self.time.now()).await?;
        Ok(pass)
    }
}

fn label(outcome: &Result<String, SendError>) -> &'static str {
    match outcome {
        Ok(_) => "sent",
        Err(SendError::Gone(_) | SendError::Refused(_)) => "refused",
        Err(SendError::Permanent(_) | SendError::Config(_)) => "failed",
        Err(SendError::Transient { .. }) => "again",
    }
}

/// Whether no other provider is to be tried: it would do no better, or the message may have been sent.
fn is_final(error: &SendError) -> bool {
    match error {
        SendError::Gone(_) | SendError::Refused(_) => true,
        SendError::Transient { cause, .. } => !matches!(cause, Cause::Provider | Cause::Busy),
        SendError::Permanent(_) | SendError::Config(_) => false,
    }
}

/// What became of the attempts with one message.
#[derive(Default)]
struct Failures {
    tried: Vec<(String, SendError)>,
    skipped: usize,
    /// In how long the first provider is there again that was passed over or asked to be left alone.
    wait: Option<Duration>,
}

impl Failures {
    fn skipped(&mut self, wait: Duration) {
        self.skipped += 1;
        self.wait = Some(self.wait.map_or(wait, |other| other.min(wait)));
    }

    fn failed(&mut self, name: &str, error: SendError) {
        if let SendError::Transient {
            retry_after: Some(wait),
            ..
        } = error
        {
            self.wait = Some(self.wait.map_or(wait, |other| other.min(wait)));
        }
        self.tried.push((name.to_owned(), error));
    }

    fn into_error(mut self) -> SendError {
        let again = |(_, error): &(String, SendError)| matches!(error, SendError::Transient { .. });
        let may_work = self.skipped > 0 || self.tried.iter().any(again);
        if !may_work && let Some((_, error)) = self.tried.pop() {
            return error;
        }
        // One that failed just now and did not say when to come back may be tried at any time.
        let at_once = |(_, error): &(String, SendError)| {
            matches!(
                error,
                SendError::Transient {
                    retry_after: None,
                    ..
                }
            )
        };
        let retry_after = self.wait.filter(|_| !self.tried.iter().any(at_once));
        let why = if self.tried.is_empty() {
            "no provider can take messages now: each is at its cap, asked to be left alone or failed several times".to_owned()
        } else {
            let tried = self
                .tried
                .iter()
                .map(|(name, error)| format!("{name}: {}", words(error)));
            tried.collect::<Vec<_>>().join("; ")
        };
        SendError::Transient {
            why,
            retry_after,
            cause: Cause::Provider,
        }
    }
}

fn words(error: &SendError) -> String {
    match error {
        SendError::Transient { why, .. } => why.clone(),
        other => other.to_string(),
    }
}
