//! Whether, when and how a notification goes to a person by a channel: one decision over what is known, with its reason.

use jiff::tz::TimeZone;
use stoa_kernel::Timestamp;
use stoa_service::{Channel, Criticality, Throttle};

use crate::when::{QuietHours, next_day, next_hour};

/// How somebody wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// At once.
    AtOnce,
    /// Every hour, in one mail.
    Hourly,
    /// Every day, in one mail.
    Daily,
    /// Not at all.
    Off,
}

impl Delivery {
    const ALL: [Self; 4] = [Self::AtOnce, Self::Hourly, Self::Daily, Self::Off];

    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AtOnce => "at_once",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Off => "off",
        }
    }

    /// The one of this name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The type of the notification says so.
    Default,
    /// The person has chosen it.
    Person,
}

/// What is known when it is decided.
pub(crate) struct Facts<'a> {
    pub(crate) now: Timestamp,
    pub(crate) criticality: Criticality,
    pub(crate) category: &'a str,
    pub(crate) channel: Channel,
    /// Whether the type goes by this channel unless a person has chosen otherwise.
    pub(crate) by_default: bool,
    pub(crate) chosen: (Delivery, Source),
    /// The person wants no mails but critical ones.
    pub(crate) mails_off: bool,
    pub(crate) quiet: Option<QuietHours>,
    /// Of a daily digest, in minutes since midnight.
    pub(crate) digest_at: i64,
    pub(crate) zone: &'a TimeZone,
    /// As many as this allows have gone out already.
    pub(crate) exhausted: Option<Throttle>,
}

/// When it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    At(Timestamp),
    /// With others, in the digest of this time.
    Digest(Timestamp),
    Never,
}

/// What was decided, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) when: When,
    /// Never changes its meaning.
    pub(crate) code: &'static str,
    pub(crate) words: String,
}

impl Decision {
    fn new(when: When, code: &'static str, words: impl Into<String>) -> Self {
        Self {
            when,
            code,
            words: words.into(),
        }
    }
}

/// Decides. What is critical goes at once, whatever else holds; the inbox knows no quiet hours, for it makes no sound.
pub(crate) fn decide(facts: &Facts<'_>) -> Decision {
    if is_overriding(facts) {
        return Decision::new(When::Now, "queued", "To be sent at once, for it is critical");
    }
    if let Some(refusal) = refusal(facts) {
        return refusal;
    }
    if facts.channel == Channel::InApp {
        return Decision::new(When::Now, "queued", "To be shown at once");
    }
    if let Some(throttle) = facts.exhausted {
        let words = format!(
            "Not sent: {} of this type have gone to the person by this channel within {:#}",
            throttle.most,
            stoa_kernel::Period(throttle.within)
        );
        return Decision::new(When::Never, "throttled", words);
    }
    let quiet_end = |at: Timestamp| facts.quiet.and_then(|quiet| quiet.end(at, facts.zone));
    let digest = match facts.chosen.0 {
        Delivery::Hourly => Some((next_hour(facts.now), "hour")),
        Delivery::Daily => Some((next_day(facts.now, facts.digest_at, facts.zone), "day")),
        Delivery::AtOnce | Delivery::Off => None,
    };
    if let Some((due, every)) = digest {
        let due = quiet_end(due).unwrap_or(due);
        let words = format!("To be sent at {due} in the digest that the person wants every {every}");
        return Decision::new(When::Digest(due), "digested", words);
    }
    if let Some(end) = quiet_end(facts.now) {
        let words = format!("Held until {end}: the person has quiet hours");
        return Decision::new(When::At(end), "held", words);
    }
    Decision::new(When::Now, "queued", "To be sent at once")
}

/// Whether it goes at once, whatever else holds. By a channel that the type does not go by itself, nobody is sent what is critical
/// against their will.
fn is_overriding(facts: &Facts<'_>) -> bool {
    facts.criticality == Criticality::Critical && (facts.by_default || facts.chosen.0 != Delivery::Off)
}

/// Why it does not go at all, by what the person has chosen.
pub(crate) fn refusal(facts: &Facts<'_>) -> Option<Decision> {
    if is_overriding(facts) {
        return None;
    }
    if facts.channel == Channel::Email && facts.mails_off {
        let words = "Not sent: the person wants no mails but critical ones";
        return Some(Decision::new(When::Never, "mails_off", words));
    }
    if facts.chosen == (Delivery::Off, Source::Person) {
        let words = format!(
            "Not sent: the person has switched {} off for this channel",
            facts.category
        );
        return Some(Decision::new(When::Never, "switched_off", words));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::when;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn facts(zone: &TimeZone) -> Facts<'_> {
        Facts {
            now: time("2026-11-28T21:30:00Z"),
            criticality: Criticality::Normal,
            category: "orders",
            channel: Channel::Email,
            by_default: true,
            chosen: (Delivery::AtOnce, Source::Default),
            mails_off: false,
            quiet: None,
            digest_at: 8 * 60,
            zone,
            exhausted: None,
        }
    }

    const NIGHT: QuietHours = QuietHours {
        from: 22 * 60,
        until: 7 * 60,
    };
    const THROTTLE: Throttle = Throttle {
        most: 3,
        within: Duration::from_secs(3600),
    };

    #[test]
    fn each_rule_has_its_reason_and_the_first_that_holds_counts() {
        let zone = when::zone(Some("Europe/Zurich"));
        let chosen = |delivery| (delivery, Source::Person);
        for (facts, when, code) in [
            (facts(&zone), When::Now, "queued"),
            (
                Facts {
                    quiet: Some(NIGHT),
                    ..facts(&zone)
                },
                When::At(time("2026-11-29T06:00:00Z")),
                "held",
            ),
            (
                Facts {
                    chosen: chosen(Delivery::Hourly),
                    ..facts(&zone)
                },
                When::Digest(time("2026-11-28T22:00:00Z")),
                "digested",
            ),
            (
                Facts {
                    chosen: chosen(Delivery::Daily),
                    ..facts(&zone)
                },
                When::Digest(time("2026-11-29T07:00:00Z")),
                "digested",
            ),
            // A digest does not come at night either.
            (
                Facts {
                    chosen: chosen(Delivery::Hourly),
                    quiet: Some(NIGHT),
                    ..facts(&zone)
                },
                When::Digest(time("2026-11-29T06:00:00Z")),
                "digested",
            ),
            (
                Facts {
                    exhausted: Some(THROTTLE),
                    quiet: Some(NIGHT),
                    ..facts(&zone)
                },
                When::Never,
                "throttled",
            ),
            (
                Facts {
                    chosen: chosen(Delivery::Off),
                    exhausted: Some(THROTTLE),
                    ..facts(&zone)
                },
                When::Never,
                "switched_off",
            ),
            (
                Facts {
                    mails_off: true,
                    chosen: chosen(Delivery::Off),
                    ..facts(&zone)
                },
                When::Never,
                "mails_off",
            ),
            (
                Facts {
                    mails_off: true,
                    channel: Channel::Push,
                    ..facts(&zone)
                },
                When::Now,
                "queued",
            ),
            (
                Facts {
                    channel: Channel::InApp,
                    quiet: Some(NIGHT),
                    exhausted: Some(THROTTLE),
                    ..facts(&zone)
                },
                When::Now,
                "queued",
            ),
            (
                Facts {
                    channel: Channel::InApp,
                    chosen: chosen(Delivery::Off),
                    ..facts(&zone)
                },
                When::Never,
                "switched_off",
            ),
        ] {
            let decision = decide(&facts);
            assert_eq!((decision.when, decision.code), (when, code), "{decision:?}");
        }
    }

    #[test]
    fn what_is_critical_overrides_all() {
        let zone = TimeZone::UTC;
        let all = Facts {
            criticality: Criticality::Critical,
            chosen: (Delivery::Off, Source::Person),
            mails_off: true,
            quiet: Some(NIGHT),
            exhausted: Some(THROTTLE),
            ..facts(&zone)
        };
        assert_eq!(decide(&all).when, When::Now);
        // By another channel than the type's it goes to those who have chosen it.
        let other = |delivery| Facts {
            channel: Channel::Sms,
            by_default: false,
            chosen: (delivery, Source::Person),
            quiet: Some(NIGHT),
            ..facts(&zone)
        };
        let critical = |delivery| Facts {
            criticality: Criticality::Critical,
            ..other(delivery)
        };
        assert_eq!(decide(&critical(Delivery::AtOnce)).when, When::Now);
        assert_eq!(decide(&critical(Delivery::Off)).code, "switched_off");
    }
}
