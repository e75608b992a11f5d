//! Stand-in.

use crate::ctx::Ctx;

pub(crate) fn server(_ctx: &Ctx) -> Option<stoa_rpc::Server> {
    None
}
