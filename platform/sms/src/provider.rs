//! Who takes messages to their recipients, as the settings name them.

use stoa_outbound::Outbound;
use stoa_providers::{Caps, Entry, Provider, SendError};
use url::Url;

use crate::{Sms, SmsConfig, twilio::Twilio};

/// A provider, and the way to it.
pub(crate) struct SmsProvider {
    pub(crate) outbound: Outbound,
    pub(crate) twilio: Twilio,
}

impl Provider for SmsProvider {
    type Message = Sms;

    async fn send(&self, sms: &Sms) -> Result<String, SendError> {
        self.twilio.send(&self.outbound, sms).await
    }
}

/// The providers that the settings name, in order; none where messages go to a folder. Asks nobody.
pub(crate) fn entries(config: &SmsConfig) -> Result<Vec<Entry<Twilio>>, SendError> {
    if config.url.is_empty() {
        if config.fallback_urls.is_empty() {
            return Ok(Vec::new());
        }
        let words = "sms.fallback_urls is set and sms.url is not: set sms.url first";
        return Err(SendError::Config(words.to_owned()));
    }
    let fallbacks = config.fallback_urls.iter();
    let urls = fallbacks.map(|url| ("sms.fallback_urls", url));
    std::iter::once(("sms.url", &config.url))
        .chain(urls)
        .map(|(key, url)| entry(config, key, url))
        .collect()
}

/// Messages of errors do not repeat the URL, as it has a token in it.
fn entry(config: &SmsConfig, key: &str, url: &str) -> Result<Entry<Twilio>, SendError> {
    let parsed = Url::parse(url).ok().filter(|url| url.scheme() == "twilio");
    let mut url = parsed.ok_or_else(|| {
        SendError::Config(format!(
            "{key} must be twilio://SID:TOKEN@api.twilio.com?from=+15005550006"
        ))
    })?;
    let caps = Caps::take(&mut url, key)?;
    Ok(Entry {
        name: url.host_str().unwrap_or_default().to_owned(),
        caps,
        provider: Twilio::new(&url, key, config)?,
    })
}
