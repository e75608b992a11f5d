//! Text messages through the public surface: Twilio's API, the folder, and the pages over it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod folder;
mod twilio;

use std::path::PathBuf;

use stoa_cache::Cache;
use stoa_kernel::Clock;
use stoa_providers::testing::outbound;
use stoa_sms::{SendError, Sms, SmsConfig, SmsSender};

fn config(url: &str) -> SmsConfig {
    SmsConfig {
        url: url.to_owned(),
        ..SmsConfig::default()
    }
}

fn opened(config: &SmsConfig, folder: PathBuf) -> Result<SmsSender, SendError> {
    SmsSender::new(
        config,
        folder,
        &Cache::local(1 << 20),
        &outbound(),
        Clock::system(),
    )
}

fn sms(id: &str) -> Sms {
    Sms {
        id: id.to_owned(),
        to: "+15005550001".to_owned(),
        text: "Your code is 123456 & more.\nSee https://example.com/c".to_owned(),
    }
}
