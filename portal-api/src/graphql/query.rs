//! The roots of every query. Each asks the policy for a permit, as the route of the same thing does, and hands it on.

use super::{
    Reads,
    model::{OwnAccount, People, Person, Right, Rights},
};
use ::model::{TenantId, Timestamp};
use async_graphql::{Context, Error, ErrorExtensions as _, ID, Object};
use platform::problem::{self, Problem};
use policy::{AccountId, Action, Denied, Permit, Place, Subject, permit};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// People on a page where nothing else is said.
const PAGE: usize = 50;

/// One request.
pub(super) struct Asking {
    pub(super) who: Subject,
    pub(super) tenant: TenantId,
    pub(super) now: Timestamp,
    pub(super) reads: Arc<dyn Reads>,
}

impl Asking {
    fn of<'a>(context: &Context<'a>) -> Result<&'a Self, Error> {
        context.data::<Self>()
    }

    fn leave<A: Action>(&self, place: Place) -> Result<Permit<A>, Error> {
        permit(&self.who, place, self.now).map_err(|why| error(&self.reads.refusal(why)))
    }
}

pub(super) struct Query;

/// Reads, with the rights of whoever asks.
#[Object]
impl Query {
    /// One's own account.
    async fn me(&self, context: &Context<'_>) -> Result<Option<OwnAccount>, Error> {
        let asking = Asking::of(context)?;
        // A partner's key is nobody's account.
        let Subject::Staff(staff) = &asking.who else {
            return Err(error(&asking.reads.refusal(Denied::NotAllowed)));
        };
        let permit = asking.leave(Place::account(asking.tenant, staff.account))?;
        read(asking.reads.own_account(permit, staff.clone()).await).map(Some)
    }

    /// Who works here, page by page. For administrators, auditors, and partners with `people:read`.
    #[graphql(complexity = "limit.unwrap_or(PAGE).clamp(1, PAGE) * child_complexity")]
    async fn people(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The `next` of the page before.")] after: Option<ID>,
        #[graphql(desc = "People on a page, 1 to 50.")] limit: Option<usize>,
    ) -> Result<Option<People>, Error> {
        let asking = Asking::of(context)?;
        let permit = asking.leave(Place::unit(asking.tenant))?;
        let after = after.map(|after| id(&after)).transpose()?;
        read(asking.reads.people(permit, after, limit.unwrap_or(PAGE)).await).map(Some)
    }

    /// Somebody. For administrators, auditors, and partners with `people:read`.
    async fn person(
        &self,
        context: &Context<'_>,
        #[graphql(name = "id")] whose: ID,
    ) -> Result<Option<Person>, Error> {
        let asking = Asking::of(context)?;
        let permit = asking.leave(Place::unit(asking.tenant))?;
        read(asking.reads.person(permit, id(&whose)?).await).map(Some)
    }

    /// What somebody may do, as the policy answers. For administrators, auditors, and oneself.
    #[graphql(complexity = "20 * child_complexity")]
    async fn rights(
        &self,
        context: &Context<'_>,
        #[graphql(name = "id")] whose: ID,
    ) -> Result<Option<Vec<Right>>, Error> {
        let asking = Asking::of(context)?;
        let whose = id(&whose)?;
        let permit = asking.leave(Place::account(asking.tenant, whose))?;
        let rights: Rights = read(asking.reads.rights(permit).await)?;
        Ok(Some(rights.rights))
    }
}

fn id(text: &ID) -> Result<AccountId, Error> {
    text.parse().map_err(|_| error(&problem::NOT_FOUND.into()))
}

fn read<T: DeserializeOwned>(answer: Result<Value, Problem>) -> Result<T, Error> {
    let value = answer.map_err(|problem| error(&problem))?;
    serde_json::from_value(value).map_err(|_| {
        // What serde says would quote the value: somebody's name.
        tracing::error!(
            shape = std::any::type_name::<T>(),
            "What a route answers cannot be shown by GraphQL"
        );
        error(&problem::INTERNAL.into())
    })
}

/// A problem as GraphQL says it: its sentence, and its code for programs.
fn error(problem: &Problem) -> Error {
    let kind = problem.kind();
    Error::new(kind.title()).extend_with(|_, extensions| {
        extensions.set("code", kind.code());
        extensions.set("status", kind.status().as_u16());
    })
}
