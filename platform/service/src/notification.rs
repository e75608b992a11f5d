//! Kinds of notifications, as services declare them.

use std::time::Duration;

/// A kind of notification that a service sends to people. One constant for each; a service's descriptor lists its own.
#[derive(Clone, Copy, Debug)]
pub struct NotificationType {
    /// `noun.verb`, such as `account.welcome`. Never changes.
    pub name: &'static str,
    /// What it tells of, in a line.
    pub about: &'static str,
    /// What people choose by: `account`, `security`, `organization`.
    pub category: &'static str,
    /// How much it matters.
    pub criticality: Criticality,
    /// The channels that it goes by unless a person has chosen otherwise.
    pub channels: &'static [Channel],
    /// Whether its mails also go to addresses that nobody has verified yet.
    pub to_unverified: bool,
    /// Whether its mails have details: links that hold a secret, addresses of people. auth is asked for them whenever a mail is sent, and
    /// they are kept nowhere. Only auth asks for such notifications, their texts are always those of the program, and only those for mails
    /// say details. `sample` has them too.
    pub details: bool,
    /// How many of it one person gets by one channel within a time; further ones are not sent, unless they are critical. The inbox has them all.
    pub throttle: Option<Throttle>,
    /// Data such as its senders give, as a JSON object: templates are tried with it.
    pub sample: &'static str,
    /// Its texts, until somebody writes others. At least English for each channel.
    pub templates: &'static [DefaultTemplate],
}

/// How much a notification matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Criticality {
    /// Goes out at once by all its channels, whatever a person has chosen. By another channel that it has texts for, it goes to those
    /// who have chosen that.
    Critical,
    /// Goes out as people have chosen.
    Normal,
    /// The same, after all others: news to many.
    Bulk,
}

/// A way to reach a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// The inbox of the product itself.
    InApp,
    /// E-mail.
    Email,
    /// A text message to a phone.
    Sms,
    /// A notification of a browser or a phone.
    Push,
}

/// At most so many within a time.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    /// How many.
    pub most: u32,
    /// Within this time.
    pub within: Duration,
}

/// The texts of one type for one channel in one language, as templates of minijinja.
#[derive(Clone, Copy, Debug)]
pub struct DefaultTemplate {
    /// The channel.
    pub channel: Channel,
    /// A language tag: `en`, `de`, `pt-BR`.
    pub language: &'static str,
    /// Subject of a mail, title of what is shown; empty for a text message.
    pub subject: &'static str,
    /// The text.
    pub text: &'static str,
    /// The same as HTML, for mails; empty: the text alone.
    pub html: &'static str,
    /// Where it leads to, as a path below the public address; empty: nowhere.
    pub link: &'static str,
}

impl NotificationType {
    /// A type of this name in this category, with nothing in it yet.
    #[must_use]
    pub const fn named(name: &'static str, category: &'static str) -> Self {
        Self {
            name,
            about: "",
            category,
            criticality: Criticality::Normal,
            channels: &[Channel::InApp],
            to_unverified: false,
            details: false,
            throttle: None,
            sample: "{}",
            templates: &[],
        }
    }
}

impl DefaultTemplate {
    /// Texts with nothing in them yet.
    #[must_use]
    pub const fn empty(channel: Channel, language: &'static str) -> Self {
        Self {
            channel,
            language,
            subject: "",
            text: "",
            html: "",
            link: "",
        }
    }

    /// A mail.
    #[must_use]
    pub const fn email(
        language: &'static str,
        subject: &'static str,
        text: &'static str,
        html: &'static str,
    ) -> Self {
        Self {
            subject,
            text,
            html,
            ..Self::empty(Channel::Email, language)
        }
    }

    /// What the inbox shows.
    #[must_use]
    pub const fn in_app(language: &'static str, subject: &'static str, text: &'static str) -> Self {
        Self {
            subject,
            text,
            ..Self::empty(Channel::InApp, language)
        }
    }

    /// A notification of a browser or a phone.
    #[must_use]
    pub const fn push(language: &'static str, subject: &'static str, text: &'static str) -> Self {
        Self {
            subject,
            text,
            ..Self::empty(Channel::Push, language)
        }
    }

    /// A text message.
    #[must_use]
    pub const fn sms(language: &'static str, text: &'static str) -> Self {
        Self {
            text,
            ..Self::empty(Channel::Sms, language)
        }
    }
}

impl Criticality {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Normal => "normal",
            Self::Bulk => "bulk",
        }
    }
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::InApp, Self::Email, Self::Sms, Self::Push];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InApp => "in_app",
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Push => "push",
        }
    }

    /// The channel of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
}
