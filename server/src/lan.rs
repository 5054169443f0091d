//! `--lan`: a call from a phone on the same network.
//!
//! Browsers give camera and microphone only to pages that came over TLS (or from `localhost`), so the
//! machine makes its own certificate, for every address it has. A phone warns about it once, because
//! nobody it trusts vouches for this machine; what is said here is what the person who holds it must
//! know.

use crate::tls::{self, Tls, TlsError};
use platform::clock::Clock;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use std::{
    fs,
    io::Write as _,
    net::IpAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Where it listens unless told otherwise: a port that does not clash with the one of `make run`.
pub(crate) const LISTEN: &str = "[::]:8443";

/// Longest a certificate may live before browsers refuse it outright, less a margin.
const LIFETIME_DAYS: i64 = 390;
/// A certificate that has less left than this is made anew.
const RENEW_DAYS: i64 = 30;

/// The certificate for these addresses: the one made before, if it still fits, so that a phone that has
/// accepted it is not asked again.
pub(crate) fn certificate(dir: &Path, addresses: &[IpAddr], clock: &dyn Clock) -> Result<Tls, TlsError> {
    let (certificate, key, about) = (dir.join("lan.pem"), dir.join("lan.key"), dir.join("lan.txt"));
    let today = clock.now().as_millis().div_euclid(86_400_000);
    let mut names = vec!["localhost".to_owned()];
    names.extend(addresses.iter().map(ToString::to_string));
    let fits = fs::read_to_string(&about).is_ok_and(|text| still_fits(&text, today, &names));
    if !(fits && certificate.exists() && key.exists()) {
        let failed =
            |why: String| TlsError(format!("--lan: cannot make a certificate in {}: {why}", dir.display()));
        let made = make(&names, today).map_err(|e| failed(e.to_string()))?;
        let write = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            write_private(&key, &made.1)?;
            write_private(&certificate, &made.0)?;
            write_private(&about, &format!("{}\n{}\n", today + LIFETIME_DAYS, names.join("\n")))
        };
        write().map_err(|e: std::io::Error| failed(e.to_string()))?;
    }
    tls::from_files(&certificate, &key)
}

fn still_fits(about: &str, today: i64, names: &[String]) -> bool {
    let mut lines = about.lines();
    let lasts =
        lines.next().and_then(|day| day.parse::<i64>().ok()).is_some_and(|day| day - today > RENEW_DAYS);
    let known: Vec<_> = lines.collect();
    lasts && names.iter().all(|name| known.contains(&name.as_str()))
}

fn make(names: &[String], today: i64) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    let day = |day| {
        let (year, month, day) = civil(day);
        date_time_ymd(year, month, day)
    };
    (params.not_before, params.not_after) = (day(today - 1), day(today + LIFETIME_DAYS));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Telehealth on this network");
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// Days since 1970-01-01 as year, month and day (Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i32, u8, u8) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    (i32::try_from(year).unwrap_or(9_999), u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Addresses of this machine that another one can use, IPv4 first; and all of them with loopback.
pub(crate) fn addresses() -> std::io::Result<(Vec<IpAddr>, Vec<IpAddr>)> {
    let mut all: Vec<IpAddr> = if_addrs::get_if_addrs()?.iter().map(if_addrs::Interface::ip).collect();
    // A link-local address needs a scope, which browsers do not take.
    all.retain(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()));
    all.sort_by_key(|ip| (ip.is_ipv6(), *ip));
    all.dedup();
    let reachable = all.iter().copied().filter(|ip| !ip.is_loopback()).collect();
    Ok((reachable, all))
}

/// A QR code for a terminal: two modules to a character, dark on light whatever the terminal's colours.
pub(crate) fn qr(text: &str) -> String {
    let Ok(code) = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::L) else {
        return String::new();
    };
    let drawn = code
        .render::<qrcode::render::unicode::Dense1x2>()
        .dark_color(qrcode::render::unicode::Dense1x2::Dark)
        .light_color(qrcode::render::unicode::Dense1x2::Light)
        .build();
    drawn.lines().map(|line| format!("  \x1b[30;107m{line}\x1b[0m\n")).collect()
}

/// What the person with the phone will see, and what it means.
pub(crate) const WARNING: &str = "\
The phone will warn that the connection is not private. That is because this computer made its own
certificate and nobody the phone knows vouches for it; the connection is encrypted all the same.
Go on only on a network you trust:
  Android (Chrome)   Advanced, then Proceed
  iPhone (Safari)    Show Details, then visit this website";

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;
    use platform::clock::ManualClock;
    use std::{os::unix::fs::PermissionsExt as _, time::Duration};

    fn ips(text: &str) -> Vec<IpAddr> {
        text.split(' ').map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_779), (2026, 11, 22));
        assert_eq!(civil(20_788), (2026, 12, 1));
    }

    #[test]
    fn a_certificate_is_kept_until_an_address_is_new_or_it_runs_out() {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(Timestamp::from_millis(1_795_305_600_000));
        let made = |addresses: &[IpAddr]| {
            assert!(certificate(dir.path(), addresses, &clock).is_ok());
            fs::read_to_string(dir.path().join("lan.pem")).unwrap()
        };
        let first = made(&ips("127.0.0.1 192.0.2.1 2001:db8::1"));
        assert_eq!(made(&ips("127.0.0.1 192.0.2.1")), first);
        let second = made(&ips("127.0.0.1 192.0.2.2"));
        assert_ne!(second, first);
        clock.advance(Duration::from_secs(86_400 * 359));
        assert_eq!(made(&ips("127.0.0.1 192.0.2.2")), second);
        clock.advance(Duration::from_secs(86_400));
        assert_ne!(made(&ips("127.0.0.1 192.0.2.2")), second);
        let mode = fs::metadata(dir.path().join("lan.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_link_fits_in_a_code_of_few_lines() {
        let drawn = qr(&format!("https://192.168.100.100:8443/visit#k={}", "x".repeat(22)));
        assert!((15..=25).contains(&drawn.lines().count()), "{}", drawn.lines().count());
    }
}
