//! The ways out to people: mail, text messages, push.

use std::path::Path;

use stoa_cache::Cache;
use stoa_config::Settings;
use stoa_kernel::Clock;
use stoa_mail::{MailConfig, Mailer};
use stoa_mount::Error;
use stoa_outbound::Outbound;
use stoa_providers::DevPages;
use stoa_push::{PushConfig, PushSender};
use stoa_sms::{SmsConfig, SmsSender};

/// All channels of this process.
pub(crate) struct Channels {
    pub(crate) mailer: Mailer,
    pub(crate) sms: SmsSender,
    pub(crate) push: PushSender,
}

/// What they need.
pub(crate) struct Needed<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) data_dir: &'a Path,
    pub(crate) public_url: &'a str,
    /// Messages of one process count together with those of others that share it.
    pub(crate) cache: &'a Cache,
    pub(crate) outbound: &'a Outbound,
    pub(crate) clock: &'a Clock,
}

impl Channels {
    /// As the settings say. Asks nobody.
    pub(crate) fn open(needed: &Needed<'_>) -> Result<Self, Error> {
        let Needed {
            settings,
            data_dir,
            public_url,
            cache,
            outbound,
            clock,
        } = needed;
        let (mail, sms, push): (MailConfig, SmsConfig, PushConfig) = (
            settings.section("mail")?,
            settings.section("sms")?,
            settings.section("push")?,
        );
        let clock = || Clock::clone(clock);
        Ok(Self {
            mailer: Mailer::new(&mail, data_dir.join("mail"), cache, outbound, clock())?,
            sms: SmsSender::new(&sms, data_dir.join("sms"), cache, outbound, clock())?,
            push: PushSender::new(&push, public_url, outbound, clock())?,
        })
    }

    /// The pages over what is kept in folders instead of being sent, each with its label.
    pub(crate) fn pages(&self) -> Result<Vec<(&'static str, DevPages)>, Error> {
        let mail = self.mailer.dev_mailbox()?.map(|pages| ("Mail", pages));
        let sms = self.sms.dev_pages()?.map(|pages| ("SMS", pages));
        Ok(mail.into_iter().chain(sms).collect())
    }
}
