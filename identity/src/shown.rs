//! What is shown of people, for whoever has a permit and another way of asking than our routes: as the routes answer it, and
//! recorded for the auditor as they record it.

use crate::{
    limits::PEOPLE_PAGE,
    problems::{denied, later},
    routes::{own, people},
    service::{Identity, audit},
};
use platform::{
    event_log::NewAudit,
    problem::{self, Problem},
};
use policy::{
    AccountId, Denied, Permit, Staff,
    action::{ChangeUnit, ManageOwnAccount, ReadPeople, ReadRights},
    judge::By,
};
use serde::Serialize;
use serde_json::Value;

impl Identity {
    /// What `GET /api/v1/people` answers.
    ///
    /// # Errors
    /// 400 for a page of another size than 1 to 50; 503.
    pub async fn show_people(
        &self,
        permit: &Permit<ReadPeople>,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Value, Problem> {
        if !(1..=PEOPLE_PAGE).contains(&limit) {
            return Err(Problem::new(problem::BAD_REQUEST).detail(format!("limit: 1 to {PEOPLE_PAGE}.")));
        }
        let (page, seen) = people::people(self, permit, after, limit).await?;
        people::note_shown(self, permit, &seen, "people.list").await?;
        written(&page)
    }

    /// What `GET /api/v1/people/{id}` answers.
    ///
    /// # Errors
    /// 404, 503.
    pub async fn show_person(&self, permit: &Permit<ReadPeople>, id: AccountId) -> Result<Value, Problem> {
        let person = people::person(self, permit, id).await?;
        people::note_shown(self, permit, &[id], "people.read").await?;
        written(&person)
    }

    /// What `GET /api/v1/people/{id}/rights` answers.
    ///
    /// # Errors
    /// 404, 503.
    pub async fn show_rights(&self, permit: &Permit<ReadRights>) -> Result<Value, Problem> {
        let id = permit.place().account.ok_or(problem::NOT_FOUND)?;
        written(&people::rights_of(self, permit, id).await?)
    }

    /// What `GET /api/v1/me` answers.
    ///
    /// # Errors
    /// 401, 503.
    pub async fn show_own_account(
        &self,
        permit: &Permit<ManageOwnAccount>,
        staff: &Staff,
    ) -> Result<Value, Problem> {
        written(&own::account(self, permit, staff).await?)
    }

    /// For the auditor, before a unit is changed: who changes what of it. The registry of units is no unit's own, so the two
    /// cannot be one transaction.
    ///
    /// # Errors
    /// 503: then nothing may be changed.
    pub async fn note_unit_change(
        &self,
        permit: &Permit<ChangeUnit>,
        fields: &[&str],
    ) -> Result<(), Problem> {
        let (actor, subject) = (permit.by().map(By::id), Some(permit.tenant().0));
        let body = serde_json::json!({ "fields": fields }).to_string();
        let audit = NewAudit { actor, subject, body, ..audit("unit.change", None) };
        self.records.record_reading(permit.tenant(), audit).await.map_err(|_| later())
    }

    /// How a refusal of the policy is answered.
    #[must_use]
    pub fn refusal(why: Denied) -> Problem {
        denied(why)
    }
}

fn written(what: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(what).map_err(|error| Problem::new(problem::INTERNAL).because(error))
}
