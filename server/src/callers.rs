//! What the gateway is told by identity: whom a request is counted for, and what GraphQL reads.

use axum::http::HeaderMap;
use identity::Identity;
use platform::{
    event_log::StoreFuture,
    problem::{self, Problem},
};
use policy::{
    AccountId, Denied, Permit, Staff, Subject,
    action::{ManageOwnAccount, ReadPeople, ReadRights},
};
use portal_api::{
    gateway::{Caller, Callers},
    graphql::Reads,
};
use serde_json::Value;
use std::{net::IpAddr, sync::Arc};
use tenancy::Unit;

#[derive(Clone)]
pub(crate) struct Known(pub(crate) Identity);

impl Known {
    fn of(&self, unit: &Unit) -> Self {
        Self(self.0.in_unit(unit))
    }
}

impl Callers for Known {
    fn caller<'a>(
        &'a self,
        headers: &'a HeaderMap,
        unit: Option<&'a Unit>,
        from: Option<IpAddr>,
    ) -> StoreFuture<'a, Caller> {
        Box::pin(async move {
            let here = unit.map_or_else(|| self.clone(), |unit| self.of(unit)).0.asked_from(from);
            match here.who(headers).await {
                Ok(Subject::Partner(partner)) => Caller::Partner(partner.tenant, partner.key.0),
                Ok(Subject::Staff(staff)) => Caller::Person(staff.tenant, staff.account),
                _ => Caller::Stranger,
            }
        })
    }
}

impl Reads for Known {
    fn in_unit(&self, unit: &Unit) -> Arc<dyn Reads> {
        Arc::new(self.of(unit))
    }

    fn who<'a>(
        &'a self,
        headers: &'a HeaderMap,
        from: Option<IpAddr>,
    ) -> StoreFuture<'a, Result<Subject, Problem>> {
        let here = self.0.clone().asked_from(from);
        Box::pin(async move { here.who(headers).await.map_err(|_| problem::UNAVAILABLE.into()) })
    }

    fn refusal(&self, why: Denied) -> Problem {
        Identity::refusal(why)
    }

    fn own_account(
        &self,
        permit: Permit<ManageOwnAccount>,
        staff: Staff,
    ) -> StoreFuture<'_, Result<Value, Problem>> {
        Box::pin(async move { self.0.show_own_account(&permit, &staff).await })
    }

    fn people(
        &self,
        permit: Permit<ReadPeople>,
        after: Option<AccountId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Value, Problem>> {
        Box::pin(async move { self.0.show_people(&permit, after, limit).await })
    }

    fn person(&self, permit: Permit<ReadPeople>, id: AccountId) -> StoreFuture<'_, Result<Value, Problem>> {
        Box::pin(async move { self.0.show_person(&permit, id).await })
    }

    fn rights(&self, permit: Permit<ReadRights>) -> StoreFuture<'_, Result<Value, Problem>> {
        Box::pin(async move { self.0.show_rights(&permit).await })
    }
}
