//! Stand-in.

use stoa_db::Tx;
use stoa_kernel::UserId;

use crate::{ctx::Ctx, error::Result};

/// What login learns of a code.
pub(crate) enum TotpResult {
    /// The account has no second factor.
    NotEnrolled,
    /// The code is right; to be consumed in the transaction of the sign-in.
    Accepted(Proof),
    /// A code is needed.
    Missing,
    /// The code is not right.
    Wrong,
}

/// Which code was right.
pub(crate) struct Proof(());

/// Called after the right password only, before the transaction of the sign-in.
pub(crate) async fn check(_ctx: &Ctx, _user: UserId, _code: Option<&str>) -> Result<TotpResult> {
    Ok(TotpResult::NotEnrolled)
}

/// Notes that the code was used; false if it was used before.
pub(crate) async fn consume(_tx: &mut Tx, _proof: &Proof) -> Result<bool> {
    Ok(true)
}
