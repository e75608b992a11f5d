//! A bucket of a server that speaks S3.

mod client;
mod resolve;
mod words;

use std::{fmt, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, RetryConfig, StaticCredentialProvider,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsCredential},
    list::{PaginatedListOptions, PaginatedListStore},
};
use url::Url;

use self::client::Connector;
pub(crate) use self::words::in_words;
use crate::{ObjectError, ObjectsConfig};

/// How long a sign of life is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a request is sent again that failed for reasons that may pass.
const RETRIES: usize = 3;

/// A bucket, for what the general interface does not do.
#[derive(Clone)]
pub(crate) struct Bucket {
    pub(crate) store: AmazonS3,
    /// For messages: `s3://stoa at http://127.0.0.1:9000`.
    name: String,
}

impl Bucket {
    pub(crate) fn open(bucket: &str, config: &ObjectsConfig) -> Result<Self, ObjectError> {
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_virtual_hosted_style_request(config.virtual_host_style)
            .with_http_connector(Connector)
            // One at a time, as every server understands.
            .with_disable_bulk_delete(true)
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: RETRIES,
                retry_timeout: Duration::from_secs(60),
            });
        if !config.region.is_empty() {
            builder = builder.with_region(&config.region);
        }
        match (config.access_key_id.as_str(), config.secret_access_key.as_str()) {
            ("", "") => {}
            ("", _) => return Err(missing("access_key_id", "secret_access_key")),
            (_, "") => return Err(missing("secret_access_key", "access_key_id")),
            (id, secret) => {
                // Without a token: one in the environment belongs to the key in the environment.
                let credential = AwsCredential {
                    key_id: id.to_owned(),
                    secret_key: secret.to_owned(),
                    token: None,
                };
                builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
            }
        }
        let endpoint = match config.endpoint.as_str() {
            "" => builder
                .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
                .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint)),
            endpoint => Some(endpoint.to_owned()),
        };
        let mut name = format!("s3://{bucket}");
        if let Some(endpoint) = endpoint {
            let endpoint = endpoint.trim_end_matches('/');
            let base = base(endpoint, bucket, config.virtual_host_style)?;
            name = format!("{name} at {endpoint}");
            builder = builder
                .with_config(AmazonS3ConfigKey::S3Endpoint, &base)
                .with_allow_http(base.starts_with("http://"));
        }
        let store = builder
            .build()
            .map_err(|e| ObjectError::Settings(format!("{name} cannot be used: {e}")))?;
        Ok(Self { store, name })
    }

    /// Looks for one object, which asks for everything that may be wrong: address, bucket and rights.
    pub(crate) async fn ping(&self, prefix: Option<&str>) -> Result<(), ObjectError> {
        let options = PaginatedListOptions {
            max_keys: Some(1),
            ..PaginatedListOptions::default()
        };
        match tokio::time::timeout(PATIENCE, self.store.list_paginated(prefix, options)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(ObjectError::Settings(format!("{self}: {}", in_words(&error)))),
            Err(_) => Err(ObjectError::Settings(format!(
                "{self} does not answer within {PATIENCE:?}"
            ))),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.name)
    }
}

/// Where requests go: with the bucket in front of the host, where it is wanted there.
fn base(endpoint: &str, bucket: &str, virtual_host: bool) -> Result<String, ObjectError> {
    let wrong = || {
        ObjectError::Settings(format!(
            "objects.endpoint must look like https://s3.example.com, and is '{endpoint}'"
        ))
    };
    let url = Url::parse(endpoint).map_err(|_| wrong())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !matches!(url.scheme(), "http" | "https") || !plain || url.path() != "/" {
        return Err(wrong());
    }
    let host = url.host_str().ok_or_else(wrong)?;
    if !virtual_host {
        return Ok(endpoint.to_owned());
    }
    if url.domain().is_none() {
        return Err(ObjectError::Settings(format!(
            "objects.virtual_host_style needs a name in objects.endpoint, and '{host}' is an address"
        )));
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{}://{bucket}.{host}{port}", url.scheme()))
}

fn missing(key: &str, other: &str) -> ObjectError {
    ObjectError::Settings(format!("objects.{other} is set and objects.{key} is not"))
}
