//! One conversation with a mail server. Each step of it has a time limit: a server that accepts and then says nothing holds
//! nobody up for long.

use std::{error::Error as _, time::Duration};

use lettre::{
    address::Envelope,
    transport::smtp::{
        Error,
        authentication::DEFAULT_MECHANISMS,
        client::AsyncSmtpConnection,
        commands::{Data, Mail, Noop, Rcpt},
        extension::{Extension, MailBodyParameter, MailParameter},
    },
};

use super::server::{Server, Tls};
use crate::{Cause, SendError};

/// How many times longer than other steps the mail itself may take: the server looks at it before it answers.
const CONTENT: u32 = 3;
/// The longest that is waited for a sign of life of a connection that was not used for a while: another one is made as soon.
const ALIVE: Duration = Duration::from_secs(5);
/// The server is about to close the connection.
const CLOSING: u16 = 421;
/// The server does not know us, or not without encryption: a mistake in the settings, not in the mail.
const NOT_LET_IN: [u16; 4] = [530, 534, 535, 538];

/// Characters of what the server calls a mail that are kept.
const LONGEST_ID: usize = 200;

pub(super) struct Session {
    connection: AsyncSmtpConnection,
    timeout: Duration,
}

/// Why a mail was not sent.
pub(super) enum NotSent {
    /// The connection ended before the mail was handed over: by another one it may be sent at once.
    Closed(SendError),
    Failed(SendError),
}

impl From<NotSent> for SendError {
    fn from(not_sent: NotSent) -> Self {
        match not_sent {
            NotSent::Closed(error) | NotSent::Failed(error) => error,
        }
    }
}

/// Why a step failed.
enum Failure {
    /// It took too long.
    Silent(&'static str, Duration),
    Smtp(Error),
}

async fn step<T>(
    what: &'static str,
    timeout: Duration,
    run: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(timeout, run).await {
        Ok(outcome) => outcome.map_err(Failure::Smtp),
        Err(_) => Err(Failure::Silent(what, timeout)),
    }
}

impl Session {
    /// Connects, encrypts and signs in.
    pub(super) async fn open(server: &Server) -> Result<Self, SendError> {
        let timeout = server.timeout;
        let wrapper = match &server.tls {
            Tls::Wrapper(tls) => Some(tls.clone()),
            Tls::None | Tls::Required(_) => None,
        };
        let address = (server.host.as_str(), server.port);
        let connecting =
            AsyncSmtpConnection::connect_tokio1(address, Some(timeout), &server.hello, wrapper, None);
        let mut connection = step("the greeting", timeout, connecting).await?;
        if let Tls::Required(tls) = &server.tls {
            let encrypting = connection.starttls(tls.clone(), &server.hello);
            step("STARTTLS", timeout, encrypting).await?;
        }
        if let Some(credentials) = &server.credentials {
            let signing_in = connection.auth(DEFAULT_MECHANISMS, credentials);
            step("AUTH", timeout, signing_in).await?;
        }
        Ok(Self { connection, timeout })
    }

    /// Whether the server is still there.
    pub(super) async fn answers(&mut self) -> bool {
        step("NOOP", self.timeout.min(ALIVE), self.connection.command(Noop))
            .await
            .is_ok()
    }

    /// Sends a mail, and returns what the server calls it.
    pub(super) async fn send(&mut self, envelope: &Envelope, mail: &[u8]) -> Result<String, NotSent> {
        let options = self.options(envelope, mail).map_err(NotSent::Failed)?;
        let from = Mail::new(envelope.from().cloned(), options);
        step("MAIL FROM", self.timeout, self.connection.command(from))
            .await
            .map_err(|failure| failure.before_content(Failure::into))?;
        for recipient in envelope.to() {
            let recipient = Rcpt::new(recipient.clone(), Vec::new());
            step("RCPT TO", self.timeout, self.connection.command(recipient))
                .await
                .map_err(|failure| failure.before_content(Failure::of_recipient))?;
        }
        step("DATA", self.timeout, self.connection.command(Data))
            .await
            .map_err(|failure| failure.before_content(Failure::into))?;
        let sending = self.connection.message(mail);
        let answer = step("the mail", self.timeout * CONTENT, sending)
            .await
            .map_err(|failure| NotSent::Failed(failure.of_content()))?;
        Ok(queue_id(answer.first_line().unwrap_or_default()))
    }

    /// Whether the server takes addresses that are not ASCII (SMTPUTF8).
    pub(super) fn takes_utf8(&self) -> bool {
        self.offers(Extension::SmtpUtfEight)
    }

    fn offers(&self, extension: Extension) -> bool {
        self.connection.server_info().supports_feature(extension)
    }

    /// What the server must be able to do for this mail.
    fn options(&self, envelope: &Envelope, mail: &[u8]) -> Result<Vec<MailParameter>, SendError> {
        let mut options = Vec::new();
        let mut addresses = envelope.to().iter().chain(envelope.from());
        if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
            if !self.takes_utf8() {
                return Err(SendError::Permanent(
                    "the mail server does not take addresses that are not ASCII (SMTPUTF8)".to_owned(),
                ));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if !mail.is_ascii() {
            if !self.offers(Extension::EightBitMime) {
                return Err(SendError::Permanent(
                    "the mail server takes ASCII alone (no 8BITMIME)".to_owned(),
                ));
            }
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(options)
    }
}

impl Failure {
    /// Of a step before the mail is handed over; `error` says what it means where the connection goes on.
    fn before_content(self, error: impl FnOnce(Self) -> SendError) -> NotSent {
        match self.is_closed() {
            true => NotSent::Closed(error(self)),
            false => NotSent::Failed(error(self)),
        }
    }

    /// Whether the server has closed the connection or says that it does. One that says nothing may do so by any connection.
    fn is_closed(&self) -> bool {
        match self {
            Self::Smtp(error) => match error.status() {
                Some(code) => u16::from(code) == CLOSING,
                None => !error.is_client() && !error.is_timeout(),
            },
            Self::Silent(..) => false,
        }
    }

    /// Of the step that names the recipient: whether it is their address that was refused, or we.
    fn of_recipient(self) -> SendError {
        match &self {
            Self::Smtp(error) if error.is_permanent() => {
                let code = error.status().map_or(0, u16::from);
                let said = error.source().map(ToString::to_string).unwrap_or_default();
                if is_about_recipient(code, &said) {
                    SendError::Refused(words(error))
                } else if is_full(&said) {
                    SendError::transient(Cause::Recipient, words(error))
                } else {
                    self.into()
                }
            }
            Self::Smtp(error) if error.is_transient() => {
                let said = error.source().map(ToString::to_string).unwrap_or_default();
                if is_about_mailbox(error.status().map_or(0, u16::from), &said) {
                    SendError::transient(Cause::Recipient, words(error))
                } else {
                    self.into()
                }
            }
            _ => self.into(),
        }
    }

    /// Of the step that hands over the mail: without an answer nobody knows whether the server has taken it.
    fn of_content(self) -> SendError {
        let answered = matches!(&self, Self::Smtp(error) if error.status().is_some());
        match SendError::from(self) {
            SendError::Transient { why, .. } if !answered => SendError::transient(Cause::Lost, why),
            error => error,
        }
    }
}

impl From<Failure> for SendError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Silent(what, timeout) => Self::transient(
                Cause::Provider,
                format!(
                    "the mail server did not answer within {} s: {what}",
                    timeout.as_secs_f64()
                ),
            ),
            Failure::Smtp(error) => {
                let let_in = !error
                    .status()
                    .is_some_and(|code| NOT_LET_IN.contains(&code.into()));
                if error.is_permanent() && let_in {
                    Self::Permanent(words(&error))
                } else {
                    Self::transient(Cause::Provider, words(&error))
                }
            }
        }
    }
}

/// Whether there is no such mailbox, so that nothing more is sent to the address. By the enhanced status code (RFC 3463) if there is one: 5.1
/// is an address, 5.2.1 a mailbox that is disabled. A bare 550 also says that the server does not like us, so there its words have to name the
/// mailbox.
fn is_about_recipient(code: u16, said: &str) -> bool {
    const UNKNOWN: &[&str] = &[
        "user unknown",
        "unknown user",
        "unknown recipient",
        "recipient unknown",
        "unknown mailbox",
        "mailbox unknown",
        "no such",
        "not exist",
        "not found",
        "mailbox unavailable",
        "mailbox not available",
        "invalid recipient",
        "invalid mailbox",
        "user disabled",
        "mailbox disabled",
        "account disabled",
    ];
    let enhanced = said.split_whitespace().next().unwrap_or_default();
    if enhanced.starts_with("5.") {
        // 5.1.7 and 5.1.8 are about the sender's address.
        let of_sender = matches!(enhanced, "5.1.7" | "5.1.8");
        return (enhanced.starts_with("5.1.") && !of_sender) || enhanced == "5.2.1";
    }
    let said = said.to_lowercase();
    matches!(code, 550 | 551 | 553) && UNKNOWN.iter().any(|words| said.contains(words))
}

/// Whether the mailbox is full: it may not be for long, whatever the server says.
fn is_full(said: &str) -> bool {
    said.starts_with("5.2.2 ")
}

/// As [`is_about_recipient`], of refusals for now: greylisting, a full mailbox.
fn is_about_mailbox(code: u16, said: &str) -> bool {
    let enhanced = said.split_whitespace().next().unwrap_or_default();
    if enhanced.starts_with("4.") {
        return enhanced.starts_with("4.1.") || enhanced.starts_with("4.2.");
    }
    matches!(code, 450 | 452)
}

/// What the server calls the mail, of its last answer: `2.0.0 Ok: queued as 4F2A`, `OK id=1abc-2d`; or the answer itself.
fn queue_id(said: &str) -> String {
    let named = ["queued as ", "id="]
        .iter()
        .find_map(|before| said.split_once(before));
    let id = named.and_then(|(_, after)| after.split_whitespace().next());
    let id = id.map(|id| id.trim_end_matches(['.', ';', ',']));
    id.filter(|id| !id.is_empty())
        .unwrap_or(said)
        .chars()
        .take(LONGEST_ID)
        .collect()
}

/// What went wrong, without the addresses that servers repeat: it is kept longer than the account may be.
fn words(error: &Error) -> String {
    let said = error.to_string();
    let words = said
        .split_whitespace()
        .map(|word| if word.contains('@') { "(address)" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_named_as_the_server_names_it() {
        for (said, id) in [
            ("2.0.0 Ok: queued as 4F2A", "4F2A"),
            ("OK id=1abc-2d-3e", "1abc-2d-3e"),
            (
                "2.6.0 <1@a.example> [InternalId=12] Queued mail",
                "2.6.0 <1@a.example> [InternalId=12] Queued mail",
            ),
            ("taken", "taken"),
            ("", ""),
        ] {
            assert_eq!(queue_id(said), id);
        }
        assert_eq!(queue_id(&"a".repeat(500)).len(), LONGEST_ID);
    }

    #[test]
    fn a_full_mailbox_says_nothing_about_the_server() {
        for (code, said) in [
            (450, "4.2.0 greylisted"),
            (452, "4.2.2 mailbox full"),
            (450, "try later"),
        ] {
            assert!(is_about_mailbox(code, said), "{code} {said}");
        }
        for (code, said) in [
            (451, "4.3.0 try again later"),
            (421, "4.7.0 too many connections"),
            (451, ""),
        ] {
            assert!(!is_about_mailbox(code, said), "{code} {said}");
        }
    }

    #[test]
    fn a_refused_recipient_is_told_from_a_relay_that_does_not_know_us() {
        for (code, said) in [
            (550, "5.1.1 no such mailbox"),
            (550, "5.2.1 mailbox disabled"),
            (550, "User unknown"),
            (550, "Requested action not taken: mailbox unavailable"),
            (550, "No such person at this address"),
        ] {
            assert!(is_about_recipient(code, said), "{code} {said}");
        }
        for (code, said) in [
            (554, "5.7.1 Relay access denied"),
            (550, "5.7.26 unauthenticated sender"),
            (550, "Relay not permitted"),
            (550, "Your IP is listed by an RBL, see https://rbl.example"),
            (550, "5.1.8 sender's domain does not resolve"),
            (552, "5.2.2 mailbox full"),
            (553, ""),
            (554, "no"),
        ] {
            assert!(!is_about_recipient(code, said), "{code} {said}");
        }
    }
}
