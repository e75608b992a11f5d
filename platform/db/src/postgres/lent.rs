//! A pooled connection while it is used: whoever leaves in the middle of a statement has the statement cancelled, and nobody else
//! gets the connection before that is over.

use std::{pin::pin, sync::Arc, time::Duration};

use deadpool_postgres::Object;
use tokio::time::timeout;

use super::{address::Address, lane::PATIENCE, statement::forget};
use crate::Error;

/// How long a server may take to end what was cancelled.
const ENDING: Duration = Duration::from_secs(5);

pub(super) struct Lent {
    /// Until it is given back.
    client: Option<Object>,
    address: Arc<Address>,
}

impl Lent {
    pub(super) fn new(client: Object, address: &Arc<Address>) -> Self {
        Self {
            client: Some(client),
            address: Arc::clone(address),
        }
    }

    pub(super) fn client(&self) -> Result<&Object, Error> {
        self.client.as_ref().ok_or(Error::TxFailed)
    }

    /// Everything that was sent has been answered.
    pub(super) fn give_back(mut self) -> Option<Object> {
        self.client.take()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            leave(client, &self.address);
        }
    }
}

/// Ends what was sent last and not answered, and the transaction that it is in.
pub(super) fn leave(client: Object, address: &Arc<Address>) {
    let address = Arc::clone(address);
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return forget(client);
    };
    runtime.spawn(async move {
        if !is_over(&client, &address).await {
            // Not back to the pool: a cancellation that comes late would hit whoever has it next.
            forget(client);
        }
    });
}

/// Rolls back; what is still going on after a moment is cancelled. Whether it was over without that.
async fn is_over(client: &Object, address: &Address) -> bool {
    let mut ended = pin!(client.batch_execute("ROLLBACK"));
    match timeout(PATIENCE, &mut ended).await {
        Ok(ended) => ended.is_ok(),
        Err(_) => {
            address.cancel(client.cancel_token()).await;
            let _ = timeout(ENDING, ended).await;
            false
        }
    }
}
