//! Section `[objects]`.

use std::fmt;

use serde::Deserialize;

/// Where objects are kept.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectsConfig {
    /// Empty: a folder in the data folder. Else `file:///path` or `s3://bucket/prefix`.
    pub url: String,
    /// Address of the S3 server; empty for Amazon's. Its scheme says whether TLS is used.
    pub endpoint: String,
    /// Region of the bucket; empty: what `AWS_REGION` says, or us-east-1.
    pub region: String,
    /// Empty: what `AWS_ACCESS_KEY_ID` says, or the machine's role.
    pub access_key_id: String,
    /// Empty: what `AWS_SECRET_ACCESS_KEY` says.
    pub secret_access_key: String,
    /// Whether the bucket stands in the host's name rather than in the path.
    pub virtual_host_style: bool,
}

/// Without what opens the bucket.
impl fmt::Debug for ObjectsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectsConfig")
            .field("url", &self.url)
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("virtual_host_style", &self.virtual_host_style)
            .finish_non_exhaustive()
    }
}
