//! Who works here: `/api/v1/people`.

use super::{Here, leave, permit};
use crate::{
    answers::PersonView,
    codes,
    limits::PEOPLE_PAGE,
    problems::{EXISTS, invalid, later, of_account},
    records::{Done, Failed, Records},
    service::{Identity, audit},
};
use axum::{
    Json,
    body::Bytes,
    extract::{
        Path, Query,
        rejection::{BytesRejection, PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use identity_core::{
    account::{self, Account, Standing},
    secret::SecretHash,
    text::{Login, name},
};
use model::{Phi, TenantId, Timestamp, WaitingRoomId};
use platform::{
    body::json,
    conditional::Tagged,
    event_log::NewAudit,
    once::{self, Asked, Once},
    problem::{self, Problem},
};
use policy::{
    AccountId, Kind, Permit, Place, SessionId, Staff, StaffRole, Subject,
    action::{ChangePerson, InvitePerson, ReadPeople, ReadRights},
    judge::By,
};
use serde::{Deserialize, Serialize};
use serde_json::json as value;
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PersonState {
    Invited,
    InvitationExpired,
    Active,
    Disabled,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ListedPerson")]
pub(crate) struct Listed {
    #[serde(flatten)]
    person: PersonView,
    state: PersonState,
}

impl Listed {
    fn of(id: AccountId, account: &Account, now: Timestamp) -> Self {
        let state = match account.standing {
            _ if account.disabled => PersonState::Disabled,
            Standing::Active(_) => PersonState::Active,
            Standing::Invited { expires_at, .. } if now < expires_at => PersonState::Invited,
            Standing::Invited { .. } => PersonState::InvitationExpired,
        };
        Self { person: PersonView::of(id, account), state }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    #[serde(default)]
    after: Option<AccountId>,
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct People {
    people: Vec<Listed>,
    /// Where the next page begins; none after the last.
    next: Option<AccountId>,
}

pub(crate) async fn list(
    Here(identity): Here,
    headers: HeaderMap,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    let permit = leave::<ReadPeople>(&identity, &headers, Place::unit(identity.tenant)).await?;
    let Query(Page { after, limit }) = page.map_err(|_| problem::BAD_REQUEST)?;
    let limit = limit.unwrap_or(PEOPLE_PAGE);
    if !(1..=PEOPLE_PAGE).contains(&limit) {
        return Err(Problem::new(problem::BAD_REQUEST).detail(format!("limit: 1 to {PEOPLE_PAGE}.")));
    }
    let (page, seen) = people(&identity, &permit, after, limit).await?;
    shown(&identity, &headers, &permit, Tagged::new(&page)?, &seen, "people.list").await
}

/// A page of people, and who is on it.
pub(crate) async fn people(
    identity: &Identity,
    permit: &Permit<ReadPeople>,
    after: Option<AccountId>,
    limit: usize,
) -> Result<(People, Vec<AccountId>), Problem> {
    let people = identity.records.people(permit.tenant(), after, limit).await.map_err(|_| later())?;
    let now = identity.records.clock.now();
    let next = people.last().filter(|_| people.len() >= limit).map(|(id, _)| *id);
    let seen: Vec<_> = people.iter().map(|(id, _)| *id).collect();
    let people = people.iter().map(|(id, account)| Listed::of(*id, account, now)).collect();
    Ok((People { people, next }, seen))
}

/// One person, and which state of them it is.
pub(crate) async fn one(
    Here(identity): Here,
    headers: HeaderMap,
    id: Result<Path<AccountId>, PathRejection>,
) -> Result<Response, Problem> {
    let Ok(Path(id)) = id else { return Err(problem::NOT_FOUND.into()) };
    let permit = leave::<ReadPeople>(&identity, &headers, Place::unit(identity.tenant)).await?;
    let person = Tagged::new(&person(&identity, &permit, id).await?)?;
    shown(&identity, &headers, &permit, person, &[id], "people.read").await
}

/// One person.
pub(crate) async fn person(
    identity: &Identity,
    permit: &Permit<ReadPeople>,
    id: AccountId,
) -> Result<Listed, Problem> {
    let account = identity.records.account(permit.tenant(), id).await.map_err(|_| later())?;
    Ok(Listed::of(id, &account.ok_or(problem::NOT_FOUND)?, identity.records.clock.now()))
}

/// Shows people, once it is recorded that they are; who has them already is shown nothing.
async fn shown(
    identity: &Identity,
    headers: &HeaderMap,
    permit: &Permit<ReadPeople>,
    what: Tagged,
    seen: &[AccountId],
    action: &'static str,
) -> Result<Response, Problem> {
    if !what.is_known(headers) {
        note_shown(identity, permit, seen, action).await?;
    }
    Ok(what.answer(headers))
}

/// For the auditor, before anything is shown.
pub(crate) async fn note_shown(
    identity: &Identity,
    permit: &Permit<ReadPeople>,
    seen: &[AccountId],
    action: &'static str,
) -> Result<(), Problem> {
    let subject = match seen {
        [one] => Some(one.0),
        _ => None,
    };
    let body = serde_json::json!({ "people": seen }).to_string();
    let audit = NewAudit { subject, body, actor: permit.by().map(By::id), ..audit(action, None) };
    identity.records.record_reading(permit.tenant(), audit).await.map_err(|_| later())
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPerson {
    email: Phi<String>,
    name: Phi<String>,
    roles: BTreeSet<StaffRole>,
    #[serde(default)]
    duties: BTreeSet<WaitingRoomId>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "InvitedPerson")]
pub(super) struct Invited {
    #[serde(flatten)]
    person: Listed,
    /// Its bearer becomes that person: give it to them and nobody else.
    invitation: String,
}

pub(crate) async fn invite(
    Here(identity): Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (permit, staff) =
        permit::<InvitePerson>(&identity, &headers, |_| Place::unit(identity.tenant)).await?;
    let asked = body.as_ref().map_or_else(|_| Bytes::new(), Bytes::clone);
    let NewPerson { email, name: typed, roles, duties } = json(&headers, body)?;
    let login = Login::new(email.expose()).map_err(|error| invalid("email", error))?;
    let name = name(typed.expose()).map_err(|error| invalid("name", error))?;
    let once = once(&identity, &headers, &staff, "POST people", &asked).await?;
    let id = identity.records.claim(permit.tenant(), &login).await.map_err(of_account)?;
    let secret = secret(&identity, once);
    let command = account::Command::Invite {
        login,
        name,
        roles,
        duties,
        invitation: SecretHash::of(&secret),
        by: Some(staff.account),
    };
    let audit = about(id, "person.invite", &staff);
    if let Some(once) = once {
        let done = identity.records.change_account_once(permit.tenant(), id, audit, command, once).await;
        let done = done.map_err(|problem| match problem.kind() {
            EXISTS => problem.with("person", value!(id)),
            _ => problem,
        })?;
        return Ok(invited_once(&identity, id, &done, &secret, StatusCode::CREATED));
    }
    match identity.records.change_account(permit.tenant(), id, Some(audit), command).await {
        Ok(account) => Ok((StatusCode::CREATED, invited(&identity, id, &account, &secret)).into_response()),
        Err(Failed::Rejected(account::Rejection::Exists)) => {
            Err(Problem::new(EXISTS).with("person", value!(id)))
        }
        Err(failed) => Err(of_account(failed)),
    }
}

/// Another link, and nothing that they had counts any more: they lost their phone, or never joined.
pub(crate) async fn invite_again(
    Here(identity): Here,
    headers: HeaderMap,
    id: Result<Path<AccountId>, PathRejection>,
) -> Result<Response, Problem> {
    let (permit, staff) = of_person(&identity, &headers, id).await?;
    let id = whose(&permit)?;
    let once = once(&identity, &headers, &staff, &format!("POST people/{id}/invitation"), b"").await?;
    let secret = secret(&identity, once);
    let command = account::Command::Reinvite { invitation: SecretHash::of(&secret), by: Some(staff.account) };
    let audit = about(id, "person.reinvite", &staff);
    if let Some(once) = once {
        let done = identity.records.change_account_once(permit.tenant(), id, audit, command, once).await?;
        return Ok(invited_once(&identity, id, &done, &secret, StatusCode::OK));
    }
    let account = identity.records.change_account(permit.tenant(), id, Some(audit), command).await;
    Ok(invited(&identity, id, &account.map_err(of_account)?, &secret))
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PersonChange")]
pub(crate) struct Change {
    #[serde(default)]
    roles: Option<BTreeSet<StaffRole>>,
    #[serde(default)]
    duties: Option<BTreeSet<WaitingRoomId>>,
    #[serde(default)]
    disabled: Option<bool>,
}

pub(crate) async fn change(
    Here(identity): Here,
    headers: HeaderMap,
    id: Result<Path<AccountId>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (permit, staff) = of_person(&identity, &headers, id).await?;
    let id = whose(&permit)?;
    let Change { roles, duties, disabled } = json(&headers, body)?;
    let tenant = permit.tenant();
    let account = identity.records.account(tenant, id).await.map_err(|_| later())?;
    let mut account = account.ok_or(problem::NOT_FOUND)?;
    Tagged::new(&Listed::of(id, &account, identity.records.clock.now()))?.must_match(&headers)?;
    let by = Some(staff.account);
    if roles.is_some() || duties.is_some() {
        let roles = roles.unwrap_or_else(|| account.roles.clone());
        let duties = duties.unwrap_or_else(|| account.duties.clone());
        let command = account::Command::ChangeRights { roles, duties, by };
        let audit = about(id, "person.change-rights", &staff);
        account = changed(&identity, &headers, id, audit, command, account).await?;
    }
    if let Some(disabled) = disabled {
        let audit = about(id, if disabled { "person.disable" } else { "person.enable" }, &staff);
        let command = account::Command::Admit { admit: !disabled, by };
        account = changed(&identity, &headers, id, audit, command, account).await?;
    }
    let listed = Listed::of(id, &account, identity.records.clock.now());
    Ok(Tagged::new(&listed)?.answer(&HeaderMap::new()))
}

/// What somebody says they have seen must still be so when it is changed.
async fn changed(
    identity: &Identity,
    headers: &HeaderMap,
    id: AccountId,
    audit: NewAudit,
    command: account::Command,
    seen: Account,
) -> Result<Account, Problem> {
    let records = &identity.records;
    if headers.contains_key(header::IF_MATCH) {
        return records.change_account_seen(identity.tenant, id, audit, command, &seen).await;
    }
    records.change_account(identity.tenant, id, Some(audit), command).await.map_err(of_account)
}

#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Right {
    action: Kind,
    allowed: bool,
    /// Where: the whole unit, a waiting room they serve, or their own account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    places: Vec<&'static str>,
}

#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Rights {
    rights: Vec<Right>,
}

/// "What can this person do and see?", as the policy itself answers it.
pub(crate) async fn rights(
    Here(identity): Here,
    headers: HeaderMap,
    id: Result<Path<AccountId>, PathRejection>,
) -> Result<Response, Problem> {
    let Ok(Path(id)) = id else { return Err(problem::NOT_FOUND.into()) };
    let place = |_: &Subject| Place::account(identity.tenant, id);
    let (permit, _) = permit::<ReadRights>(&identity, &headers, place).await?;
    let rights = rights_of(&identity, &permit, id).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(rights)).into_response())
}

/// What somebody may do.
pub(crate) async fn rights_of(
    identity: &Identity,
    permit: &Permit<ReadRights>,
    id: AccountId,
) -> Result<Rights, Problem> {
    let account = identity.records.account(permit.tenant(), id).await.map_err(|_| later())?;
    let account = account.ok_or(problem::NOT_FOUND)?;
    Ok(Rights { rights: simulated(permit.tenant(), id, &account, identity.records.clock.now()) })
}

/// As if they had just signed in.
fn simulated(tenant: TenantId, id: AccountId, account: &Account, now: Timestamp) -> Vec<Right> {
    let who = match account.factors() {
        None => Subject::Stranger,
        Some(_) => Subject::Staff(Staff {
            tenant,
            account: id,
            session: SessionId(uuid::Uuid::nil()),
            roles: account.roles.clone(),
            duties: account.duties.clone(),
            locked: false,
            confirmed_at: now,
            emergencies: Vec::new(),
        }),
    };
    let served = account.duties.first().map(|room| ("duties", Place::waiting_room(tenant, *room)));
    let places = [("unit", Place::unit(tenant)), ("own-account", Place::account(tenant, id))];
    let places: Vec<_> = places.into_iter().chain(served).collect();
    let right = |kind: &Kind| {
        let everywhere = policy::judge(&who, *kind, Place::unit(tenant), now).is_ok();
        let allowed = places.iter().filter(|(_, place)| policy::judge(&who, *kind, *place, now).is_ok());
        let mut places: Vec<_> = allowed.map(|(name, _)| *name).collect();
        if everywhere {
            places = vec!["unit"];
        }
        Right { action: *kind, allowed: !places.is_empty(), places }
    };
    Kind::ALL.iter().map(right).collect()
}

async fn of_person(
    identity: &Identity,
    headers: &HeaderMap,
    id: Result<Path<AccountId>, PathRejection>,
) -> Result<(Permit<ChangePerson>, Staff), Problem> {
    let Ok(Path(id)) = id else { return Err(problem::NOT_FOUND.into()) };
    permit(identity, headers, |_| Place::account(identity.tenant, id)).await
}

fn whose(permit: &Permit<ChangePerson>) -> Result<AccountId, Problem> {
    Ok(permit.place().account.ok_or(problem::NOT_FOUND)?)
}

fn about(id: AccountId, action: &'static str, by: &Staff) -> NewAudit {
    NewAudit { subject: Some(id.0), ..audit(action, Some(by.account)) }
}

/// The request's key, if it has one, noted as what this request's.
async fn once(
    identity: &Identity,
    headers: &HeaderMap,
    staff: &Staff,
    what: &str,
    body: &[u8],
) -> Result<Option<Once>, Problem> {
    let Some(key) = once::key(headers)? else { return Ok(None) };
    let Records { store, keys, clock } = &identity.records;
    let asked = Asked { tenant: staff.tenant, who: staff.account.0, what, body };
    once::begin(&**store, keys, asked, key, clock.now()).await.map(Some)
}

/// An invitation's secret: another one each time, except for a request that is carried out once.
fn secret(identity: &Identity, once: Option<Once>) -> String {
    once.map_or_else(codes::token, |once| once.secret(&identity.records.keys, "invitation"))
}

fn invited_once(
    identity: &Identity,
    id: AccountId,
    done: &Done,
    secret: &str,
    status: StatusCode,
) -> Response {
    let person = Listed::of(id, &done.account, done.at);
    let invitation = identity.invitation_link(id, secret);
    let answer = Json(Invited { person, invitation });
    let mut response = (status, [(header::CACHE_CONTROL, "no-store")], answer).into_response();
    if done.replayed {
        once::say_replayed(response.headers_mut());
    }
    response
}

fn invited(identity: &Identity, id: AccountId, account: &Account, secret: &str) -> Response {
    let person = Listed::of(id, account, identity.records.clock.now());
    let invitation = identity.invitation_link(id, secret);
    ([(header::CACHE_CONTROL, "no-store")], Json(Invited { person, invitation })).into_response()
}
