//! Messages in the folder, and how their pages show them.

use minijinja::{Value, context};
use stoa_providers::{Record, Shown, Stored, moment, with_links};

use crate::{Encoding, Segments, Sms};

impl Record for Sms {
    const CHANNEL: &'static str = "sms";
    const BESIDE: Option<&'static str> = None;

    fn id(&self) -> &str {
        &self.id
    }
}

impl Shown for Sms {
    const LIST: &'static str = include_str!("../templates/list.html");
    const ONE: &'static str = include_str!("../templates/sms.html");

    fn summary(stored: &Stored<Self>) -> Value {
        let sms = &stored.message;
        context! {
            id => sms.id.as_str(),
            to => sms.to.as_str(),
            text => sms.text.as_str(),
            sent_at => stored.sent_at.to_string(),
            sent => moment(stored.sent_at),
        }
    }

    fn page(stored: &Stored<Self>, _: bool) -> Value {
        let text = &stored.message.text;
        let segments = Segments::of(text);
        let encoding = match segments.encoding {
            Encoding::Gsm7 => "GSM 7-bit",
            Encoding::Ucs2 => "UCS-2",
        };
        context! {
            sms => Self::summary(stored),
            parts => with_links(text),
            count => segments.count,
            encoding => encoding,
        }
    }
}
