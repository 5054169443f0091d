//! Whom the gateway counts a request for: whoever identity knows.

use axum::http::HeaderMap;
use identity::Identity;
use platform::event_log::StoreFuture;
use policy::Subject;
use portal_api::gateway::{Caller, Callers};
use std::{net::IpAddr, sync::Arc};

pub(crate) struct Known(pub(crate) Arc<Identity>);

impl Callers for Known {
    fn caller<'a>(&'a self, headers: &'a HeaderMap, _from: Option<IpAddr>) -> StoreFuture<'a, Caller> {
        Box::pin(async move {
            match self.0.who(headers).await {
                Ok(Subject::Staff(staff)) => Caller::Person(staff.tenant, staff.account),
                _ => Caller::Stranger,
            }
        })
    }
}
