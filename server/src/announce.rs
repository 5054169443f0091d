//! What a person and a tool are told once everything is ready.

use crate::{failure::Failure, lan};
use model::TenantId;
use serde::Serialize;
use std::{fs, io::Write, net::SocketAddr, path::Path};

/// Where everything is.
#[derive(Debug, Serialize)]
pub(crate) struct Ready {
    /// What browsers call the server.
    pub(crate) url: String,
    pub(crate) http: Vec<SocketAddr>,
    pub(crate) metrics: Vec<SocketAddr>,
    pub(crate) media: Vec<SocketAddr>,
    /// The demonstration's links, as `clinic` and `patient`.
    #[serde(flatten)]
    pub(crate) demo: Option<Links>,
    /// The first administrator's link, until it was used. A secret, as the others are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) administrator: Option<String>,
    /// The other units of a demonstration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) units: Vec<OtherUnit>,
}

/// Another healthcare unit of the demonstration.
#[derive(Serialize)]
pub(crate) struct OtherUnit {
    pub(crate) id: TenantId,
    pub(crate) host: String,
    #[serde(flatten)]
    pub(crate) links: Links,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) administrator: Option<String>,
}

/// Links of the demonstration clinic. Secrets: for standard output and the ready file, never the log.
#[derive(Serialize)]
pub(crate) struct Links {
    #[serde(rename = "clinic")]
    pub(crate) clinician: String,
    pub(crate) patient: String,
    /// One per waiting room, the first one again included.
    pub(crate) clinicians: Vec<String>,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for OtherUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OtherUnit").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Ready {
    /// For people.
    pub(crate) fn tell(&self, out: &mut impl Write, with_qr: bool) -> std::io::Result<()> {
        match &self.demo {
            None => writeln!(out, "\nTelehealth is ready: {}\n", self.url)?,
            Some(links) => {
                writeln!(out, "\nTelehealth is ready. A demonstration clinic is open.\n")?;
                writeln!(out, "  Clinician   {}", links.clinician)?;
                writeln!(out, "  Patient     {}", links.patient)?;
                if let Some(link) = &self.administrator {
                    writeln!(out, "  Administrator, not joined yet\n              {link}")?;
                }
                writeln!(
                    out,
                    "\nOpen the first in one browser and the second in another. Ctrl-C stops it.\n"
                )?;
            }
        }
        if with_qr {
            let (what, link) = match &self.demo {
                Some(links) => ("the patient's link", links.patient.as_str()),
                None => ("the start page", self.url.as_str()),
            };
            writeln!(
                out,
                "On a phone in this network, scan {what}:\n\n{}\n{}\n",
                lan::qr(link),
                lan::WARNING
            )?;
        }
        out.flush()
    }

    /// For tools: the whole file or none.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let broken = |e: std::io::Error| Failure::Broken(format!("--ready-file: {}: {e}", path.display()));
        let json = serde_json::to_string(self).map_err(|e| broken(e.into()))?;
        let temporary = path.with_extension("new");
        fs::write(&temporary, json + "\n").and_then(|()| fs::rename(&temporary, path)).map_err(broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(demo: bool) -> Ready {
        let clinician = "http://x/clinic#k=1".to_owned();
        let links =
            Links { clinicians: vec![clinician.clone()], clinician, patient: "http://x/visit#k=2".into() };
        Ready {
            url: "http://x".into(),
            http: vec![],
            metrics: vec![],
            media: vec![],
            demo: demo.then_some(links),
            administrator: demo.then(|| "http://x/join#i=3".to_owned()),
            units: Vec::new(),
        }
    }

    fn said(ready: &Ready, with_qr: bool) -> String {
        let mut out = Vec::new();
        ready.tell(&mut out, with_qr).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_person_is_told_both_links_and_a_phone_gets_a_code_and_the_warnings_meaning() {
        let text = said(&ready(true), false);
        assert!(
            text.contains("Clinician   http://x/clinic#k=1\n")
                && text.contains("Patient     http://x/visit#k=2\n")
        );
        assert!(!text.contains('█'));
        let text = said(&ready(true), true);
        assert!(text.contains("not private") && text.contains("iPhone"), "{text}");
        assert!(said(&ready(false), false).contains("http://x"));
    }

    #[test]
    fn links_do_not_print_by_accident() {
        assert!(!format!("{:?}", ready(true)).contains("#k="));
    }
}
