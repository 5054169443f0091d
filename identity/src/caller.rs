//! Who asks, by the access token of the request.

use crate::{
    limits::{BELIEVED_FOR, BELIEVED_FOR_STATUS, MAX_BELIEVED},
    routes::partners,
    service::Identity,
};
use axum::http::HeaderMap;
use identity_core::{
    account::Account,
    partner::{PartnerKey, PartnerKeys},
    session::{Ending, Session},
};
use model::{Phi, TenantId, Timestamp, WaitingRoomId};
use parking_lot::Mutex;
use platform::{event_log::ReadError, keys::bearer};
use policy::{AccountId, Kind, Partner, Place, SessionId, Staff, Subject};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

/// `aud` of an access token.
pub const ACCESS_AUDIENCE: &str = "access";

/// The claims of an access token. What its bearer may do stands in their account, not in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The healthcare unit.
    pub tenant: TenantId,
    /// Who.
    pub account: AccountId,
    /// By which sign-in.
    pub session: SessionId,
}

/// What was looked up a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Believed(Mutex<HashMap<(TenantId, SessionId), LookedUp>>);

/// When, and who it was.
type LookedUp = (Timestamp, Option<Staff>);

impl Believed {
    fn get(
        &self,
        tenant: TenantId,
        session: SessionId,
        now: Timestamp,
        within: Duration,
    ) -> Option<Option<Staff>> {
        let known = self.0.lock();
        let (at, staff) = known.get(&(tenant, session))?;
        // A clock that was set back must not make it last.
        (now >= *at && now.since(*at) < within).then(|| staff.clone())
    }

    fn put(&self, tenant: TenantId, session: SessionId, now: Timestamp, staff: Option<Staff>) {
        let mut known = self.0.lock();
        if known.len() >= MAX_BELIEVED {
            known.clear();
        }
        known.insert((tenant, session), (now, staff));
    }

    /// Something was changed here: it is looked up again.
    pub(crate) fn forget(&self, tenant: TenantId, session: SessionId) {
        self.0.lock().remove(&(tenant, session));
    }
}

/// Somebody who is signed in, as the policy sees them; none if the session does not count.
pub(crate) fn staff(
    claims: AccessClaims,
    account: &Account,
    session: &Session,
    now: Timestamp,
) -> Option<Staff> {
    let counts = session.account == claims.account
        && session.is_open(now)
        && session.started_at >= account.sessions_since
        && account.factors().is_some();
    counts.then(|| seen(claims, account, session))
}

/// Somebody as the policy sees them, whether their session counts or not.
fn seen(claims: AccessClaims, account: &Account, session: &Session) -> Staff {
    Staff {
        tenant: claims.tenant,
        account: claims.account,
        session: claims.session,
        roles: account.roles.clone(),
        duties: account.duties.clone(),
        locked: session.locked.is_some(),
        confirmed_at: session.confirmed_at,
        emergencies: Vec::new(),
    }
}

fn subject(claims: AccessClaims, staff: Option<Staff>) -> Subject {
    staff
        .filter(|staff| staff.account == claims.account && staff.tenant == claims.tenant)
        .map_or(Subject::Stranger, Subject::Staff)
}

impl Identity {
    /// Who asks: somebody who is signed in, or a stranger.
    ///
    /// # Errors
    /// The store does not answer: nobody is let in on what was true some time ago.
    pub async fn who(&self, headers: &HeaderMap) -> Result<Subject, ReadError> {
        match bearer(headers) {
            Some(token) => self.whose(self.tenant, token, self.from).await,
            None => Ok(Subject::Stranger),
        }
    }

    /// Whose an access token or a partner's key is, in a healthcare unit: another's is none there.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn whose(
        &self,
        tenant: TenantId,
        token: &str,
        from: Option<IpAddr>,
    ) -> Result<Subject, ReadError> {
        let now = self.records.clock.now();
        if let Some((id, shown)) = partners::read(token) {
            let all = self.partner_keys(tenant).await?;
            let key = all.get(id).filter(|key| key.opens(shown, from, now));
            let partner = |key: &PartnerKey| Partner { tenant, key: id, scopes: key.scopes.clone() };
            return Ok(key.map_or(Subject::Stranger, |key| Subject::Partner(partner(key))));
        }
        let Some(claims) = self.claims(tenant, token, now) else { return Ok(Subject::Stranger) };
        let staff = match self.believed.get(claims.tenant, claims.session, now, BELIEVED_FOR) {
            Some(staff) => staff,
            None => {
                let staff = self.look_up(claims, now).await?;
                self.believed.put(claims.tenant, claims.session, now, staff.clone());
                staff
            }
        };
        Ok(subject(claims, staff))
    }

    /// Who asks for what names nobody: while the store does not answer, whoever this process knew a few minutes ago.
    ///
    /// # Errors
    /// The store does not answer, and they were not known.
    pub async fn who_lately(&self, headers: &HeaderMap) -> Result<Subject, ReadError> {
        let known = self.who(headers).await;
        if known.is_ok() {
            return known;
        }
        let now = self.records.clock.now();
        let claims = bearer(headers).and_then(|token| self.claims(self.tenant, token, now));
        let lately = claims.and_then(|claims| {
            let staff = self.believed.get(claims.tenant, claims.session, now, BELIEVED_FOR_STATUS)?;
            Some(subject(claims, staff))
        });
        lately.ok_or(ReadError)
    }

    fn claims(&self, tenant: TenantId, token: &str, now: Timestamp) -> Option<AccessClaims> {
        let verified = self.records.keys.verify::<AccessClaims>(ACCESS_AUDIENCE, now, token).ok();
        verified.map(|verified| verified.claims).filter(|claims| claims.tenant == tenant)
    }

    /// The partners' keys of a unit as they were within the last second.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn partner_keys(&self, tenant: TenantId) -> Result<Arc<PartnerKeys>, ReadError> {
        self.partner_keys.read(&self.records, tenant).await
    }

    /// Whether somebody may still have the seat of a waiting room that was given to them where they were signed in. That the
    /// session is over by its time takes nobody's seat; that somebody has ended it does.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn keeps_seat(
        &self,
        tenant: TenantId,
        (id, session_id): (AccountId, SessionId),
        room: WaitingRoomId,
    ) -> Result<bool, ReadError> {
        let now = self.records.clock.now();
        let account = self.records.account(tenant, id).await?;
        let session = self.records.session(tenant, session_id).await?;
        let Some((account, session)) = account.zip(session) else { return Ok(false) };
        let ended = session.ended.is_some_and(|ending| ending != Ending::Expired);
        let counts = session.account == id
            && !ended
            && session.started_at >= account.sessions_since
            && account.factors().is_some();
        let claims = AccessClaims { tenant, account: id, session: session_id };
        let who = Subject::Staff(Staff { locked: false, ..seen(claims, &account, &session) });
        let place = Place::waiting_room(tenant, room);
        Ok(counts && policy::judge(&who, Kind::JoinWaitingRoom, place, now).is_ok())
    }

    /// What somebody of a unit is called.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn name_of(
        &self,
        tenant: TenantId,
        account: AccountId,
    ) -> Result<Option<Phi<String>>, ReadError> {
        Ok(self.records.account(tenant, account).await?.map(|account| account.name))
    }

    async fn look_up(&self, claims: AccessClaims, now: Timestamp) -> Result<Option<Staff>, ReadError> {
        let AccessClaims { tenant, account, session } = claims;
        let account = self.records.account(tenant, account).await?;
        let session = self.records.session(tenant, session).await?;
        let found =
            account.zip(session).and_then(|(account, session)| staff(claims, &account, &session, now));
        let Some(staff) = found else { return Ok(None) };
        let emergencies = self.emergencies(tenant).await?.grants(staff.account, now);
        Ok(Some(Staff { emergencies, ..staff }))
    }
}
