//! What mails say beside the data of their notifications, asked of auth when they are sent.

use serde_json::{Map, Value};
use stoa_kernel::UserId;
use stoa_rpc::{Channel, Directory};

use crate::{
    AccessError,
    v1::{PrepareMailRequest, access_client::AccessClient},
};

/// Asks auth for the details of mails: links that hold a secret, addresses. Each answer is for one attempt to send one mail, and is not kept.
#[derive(Clone)]
pub struct Mails(AccessClient<Channel>);

/// A notification that auth has asked for, as it was asked for.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Its type.
    pub kind: &'a str,
    /// Its idempotency key.
    pub key: &'a str,
    /// Its data.
    pub data: &'a Map<String, Value>,
    /// Whom this mail goes to; none where the recipient is a reference.
    pub user: Option<UserId>,
}

/// What auth says of a mail.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// It is to be sent.
    Mail {
        /// Where to, if it goes to a reference.
        address: Option<String>,
        /// What fills its templates beside the notification's data.
        details: Map<String, Value>,
    },
    /// It is not to be sent, for this reason.
    NotNeeded(String),
}

impl Mails {
    /// By way of the directory's auth.
    #[must_use]
    pub fn new(directory: &Directory) -> Self {
        Self(AccessClient::new(directory.channel("auth")))
    }

    /// The details of one mail. Where they hold a link, it works from now on.
    ///
    /// # Errors
    /// When auth does not answer, or not in a way that can be read.
    pub async fn prepare(&self, asked: Asked<'_>) -> Result<Prepared, AccessError> {
        let request = PrepareMailRequest {
            r#type: asked.kind.to_owned(),
            key: asked.key.to_owned(),
            data: serde_json::to_string(asked.data).unwrap_or_default(),
            user_id: asked.user.map(|user| user.to_string()),
        };
        let answer = self.0.clone().prepare_mail(request).await?.into_inner();
        if let Some(why) = answer.not_needed {
            return Ok(Prepared::NotNeeded(why));
        }
        let details = serde_json::from_str(&answer.details)
            .map_err(|_| tonic::Status::internal("the details of a mail cannot be read"))?;
        Ok(Prepared::Mail {
            address: answer.address,
            details,
        })
    }
}
