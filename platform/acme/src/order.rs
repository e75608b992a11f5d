//! One order, from the account to the certificate.

use std::{sync::Arc, time::Duration};

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivatePkcs8KeyDer;
use stoa_tls::TlsError;

use crate::{Acme, Challenge, client::Client};

/// How long the authority is waited for, each time.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the authority: {0}")]
    Authority(#[from] instant_acme::Error),
    #[error("a certificate for the authority's question cannot be made: {0}")]
    Making(#[from] rcgen::Error),
    #[error("{0}")]
    Local(#[from] TlsError),
    #[error("{0}")]
    Other(String),
}

/// The key and the chain of a new certificate, PEM.
pub(crate) async fn order(acme: &Acme) -> Result<String, Error> {
    let account = account(acme).await?;
    let names: Vec<_> = acme.config.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = match account.new_order(&NewOrder::new(&names)).await {
        Err(instant_acme::Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            acme.store.forget_account();
            return Err(Error::Other(
                "the authority does not know our account any more; another is made".to_owned(),
            ));
        }
        other => other?,
    };
    let mut asked = Vec::new();
    let proven = prove(acme, &mut order, &mut asked).await;
    for question in asked {
        question.forget(acme);
    }
    proven?;
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(format!("{key}\n{chain}"))
}

async fn account(acme: &Acme) -> Result<Account, Error> {
    let builder = Account::builder_with_http(Box::new(Client(acme.tls.clone())));
    if let Some(kept) = acme.store.account() {
        return Ok(builder.from_credentials(kept).await?);
    }
    let email = format!("mailto:{}", acme.config.email);
    let contact: &[&str] = if acme.config.email.is_empty() {
        &[]
    } else {
        &[&email]
    };
    let new = NewAccount {
        contact,
        terms_of_service_agreed: acme.config.agree_terms,
        only_return_existing: false,
    };
    let (account, credentials) = builder.create(&new, acme.config.directory.clone(), None).await?;
    acme.store.keep_account(&credentials)?;
    Ok(account)
}

/// What the authority may ask, and is answered until it is over.
enum Question {
    Name(String),
    Token(String),
}

impl Question {
    fn forget(self, acme: &Acme) {
        match self {
            Self::Name(name) => acme.certificates.set_answer(&name, None),
            Self::Token(token) => (acme.http)(&token, None),
        }
    }
}

/// Shows the authority that all names are ours.
async fn prove(acme: &Acme, order: &mut Order, asked: &mut Vec<Question>) -> Result<(), Error> {
    let kind = match acme.config.challenge {
        Challenge::TlsAlpn => ChallengeType::TlsAlpn01,
        Challenge::Http => ChallengeType::Http01,
    };
    let mut names = order.authorizations();
    while let Some(name) = names.next().await {
        let mut name = name?;
        match name.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            other => {
                return Err(Error::Other(format!(
                    "the authority holds a name to be {other:?}"
                )));
            }
        }
        let identifier = name.identifier().to_string();
        let mut challenge = name
            .challenge(kind.clone())
            .ok_or_else(|| Error::Other(format!("the authority does not offer {kind:?} for {identifier}")))?;
        let answer = challenge.key_authorization();
        match acme.config.challenge {
            Challenge::Http => {
                (acme.http)(&challenge.token, Some(answer.as_str().to_owned()));
                asked.push(Question::Token(challenge.token.clone()));
            }
            Challenge::TlsAlpn => {
                acme.certificates.set_answer(
                    &identifier,
                    Some(answering(&identifier, answer.digest().as_ref())?),
                );
                asked.push(Question::Name(identifier));
            }
        }
        challenge.set_ready().await?;
    }
    match order.poll_ready(&PATIENCE).await? {
        OrderStatus::Ready => Ok(()),
        _ => Err(Error::Other(refusals(order).await)),
    }
}

/// Why the authority does not believe that the names are ours, in its own words.
async fn refusals(order: &mut Order) -> String {
    let mut words = Vec::new();
    let mut names = order.authorizations();
    while let Some(Ok(name)) = names.next().await {
        for challenge in &name.challenges {
            if let Some(error) = &challenge.error {
                words.push(format!("{}: {error}", name.identifier()));
            }
        }
    }
    format!(
        "the authority does not believe that the names are ours: {}",
        words.join("; ")
    )
}

/// The certificate that answers by TLS-ALPN-01 (RFC 8737, 3). It is put together here, as what reads certificates from files
/// refuses the extension that makes it an answer.
fn answering(name: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, Error> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let key = stoa_tls::provider()
        .key_provider
        .load_private_key(key.into())
        .map_err(|e| Error::Other(format!("a key that was just made cannot be used: {e}")))?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}
