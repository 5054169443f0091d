//! Keys of partners' systems: `/api/v1/partner-keys`.

use super::{Here, emergencies::Names, emergencies::Somebody, permit};
use crate::{
    codes,
    problems::{later, of_partner_key},
    service::audit,
};
use axum::{
    Json,
    body::Bytes,
    extract::{
        Path,
        rejection::{BytesRejection, PathRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use identity_core::{
    partner::{Command, PartnerKey},
    secret::SecretHash,
};
use model::{Network, Phi, Timestamp};
use platform::{
    body::json,
    event_log::NewAudit,
    ids,
    problem::{self, Problem},
};
use policy::{
    PartnerKeyId, Place, Scope,
    action::{ManagePartnerKeys, SeePartnerKeys},
};
use serde::{Deserialize, Serialize};
use serde_json::json as value;
use std::collections::BTreeSet;

/// What every key begins with, so that people and scanners know one when they see it.
pub(crate) const BEGINS: &str = "thp_";

/// The key of an id and its secret, as it is shown once.
fn written(id: PartnerKeyId, secret: &str) -> String {
    format!("{BEGINS}{}_{secret}", id.0.simple())
}

/// Which key a bearer shows, and the hash of its secret.
pub(crate) fn read(bearer: &str) -> Option<(PartnerKeyId, SecretHash)> {
    let (id, secret) = bearer.strip_prefix(BEGINS)?.split_once('_')?;
    let id = (id.len() == 32).then(|| id.parse().ok())??;
    Some((id, SecretHash::of(secret)))
}

#[derive(Clone, Copy, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    Counts,
    Over,
    Revoked,
}

/// A key, without what opens.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PartnerKey")]
pub(super) struct View {
    id: PartnerKeyId,
    #[serde(serialize_with = "model::phi::expose")]
    name: Phi<String>,
    scopes: BTreeSet<Scope>,
    /// From where it counts, as `192.0.2.0/24`; from anywhere, if there is none.
    networks: Vec<String>,
    state: State,
    made_at: Timestamp,
    made_by: Somebody,
    until: Timestamp,
    revoked_at: Option<Timestamp>,
}

impl View {
    fn of(id: PartnerKeyId, key: &PartnerKey, made_by: Somebody, now: Timestamp) -> Self {
        let state = match (key.counts(now), key.revoked) {
            (true, _) => State::Counts,
            (false, Some(_)) => State::Revoked,
            (false, None) => State::Over,
        };
        Self {
            id,
            name: key.name.clone(),
            scopes: key.scopes.clone(),
            networks: key.networks.iter().map(ToString::to_string).collect(),
            state,
            made_at: key.made_at,
            made_by,
            until: key.until,
            revoked_at: key.revoked.map(|(_, at)| at),
        }
    }
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PartnerKeys")]
pub(super) struct List {
    /// The newest first.
    partner_keys: Vec<View>,
}

pub(crate) async fn list(Here(identity): Here, headers: HeaderMap) -> Result<Response, Problem> {
    let (permit, _) = permit::<SeePartnerKeys>(&identity, &headers, |_| Place::unit(identity.tenant)).await?;
    let (tenant, now) = (permit.tenant(), identity.records.clock.now());
    let all = identity.partner_keys(tenant).await.map_err(|_| later())?;
    let (mut partner_keys, mut names) = (Vec::new(), Names::default());
    for (id, key) in all.all().rev() {
        let made_by = names.of(&identity, tenant, key.by).await?;
        partner_keys.push(View::of(id, key, made_by, now));
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(List { partner_keys })).into_response())
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewPartnerKey")]
pub(super) struct Make {
    name: Phi<String>,
    scopes: BTreeSet<Scope>,
    #[serde(default)]
    networks: Vec<String>,
    /// For how many days it counts.
    days: u32,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PartnerKeyMade")]
pub(super) struct Made {
    /// Shown this once.
    key: String,
    partner_key: View,
}

/// One more key, which is shown this once.
pub(crate) async fn make(
    Here(identity): Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let place = Place::unit(identity.tenant);
    let (permit, staff) = permit::<ManagePartnerKeys>(&identity, &headers, |_| place).await?;
    let Make { name, scopes, networks, days } = json(&headers, body)?;
    let networks: Result<Vec<Network>, _> = networks.iter().map(|text| text.trim().parse()).collect();
    let networks = networks.map_err(|error: model::NotANetwork| {
        Problem::new(crate::problems::INVALID).detail(format!("{error}.")).with("field", "networks")
    })?;
    let (tenant, id, secret) = (permit.tenant(), PartnerKeyId(ids::fresh()), codes::token());
    let about = value!({ "scopes": scopes, "networks": networks.len(), "days": days });
    let audit = NewAudit {
        subject: Some(id.0),
        body: about.to_string(),
        ..audit("partner-key.make", Some(staff.account))
    };
    let hash = SecretHash::of(&secret);
    let command = Command::Make { id, by: staff.account, name, hash, scopes, networks, days };
    let all = identity.records.change_partner_keys(tenant, audit, command).await.map_err(of_partner_key)?;
    identity.partner_keys.is_old(tenant).await;
    let made_by = Names::default().of(&identity, tenant, staff.account).await?;
    let key = all.get(id).ok_or_else(later)?;
    let partner_key = View::of(id, key, made_by, identity.records.clock.now());
    let made = Made { key: written(id, &secret), partner_key };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(made)).into_response())
}

/// It counts no more: here at once, in other processes within a second.
pub(crate) async fn revoke(
    Here(identity): Here,
    headers: HeaderMap,
    id: Result<Path<PartnerKeyId>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let place = Place::unit(identity.tenant);
    let (permit, staff) = permit::<ManagePartnerKeys>(&identity, &headers, |_| place).await?;
    let Ok(Path(id)) = id else { return Err(problem::NOT_FOUND.into()) };
    let audit = NewAudit { subject: Some(id.0), ..audit("partner-key.revoke", Some(staff.account)) };
    let command = Command::Revoke { id, by: staff.account };
    identity.records.change_partner_keys(permit.tenant(), audit, command).await.map_err(of_partner_key)?;
    identity.partner_keys.is_old(permit.tenant()).await;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let (id, secret) = (PartnerKeyId(Uuid::from_u128(7)), codes::token());
        assert_eq!(read(&written(id, &secret)), Some((id, SecretHash::of(&secret))));
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "(thp_)?[0-9a-f_]{0,70}|.*") {
            if let Some((id, _)) = read(&text) {
                prop_assert!(text.to_lowercase().starts_with(&written(id, "")));
            }
        }
    }
}
