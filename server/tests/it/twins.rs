//! Two healthcare units with twins of everything: whatever is asked of one with what is the other's is answered as if it
//! did not exist, byte for byte, and as fast. A route or a message without a row fails.

mod messages;
mod rows;
mod site;

use crate::matrix::MATRIX;
use rows::{ROWS, Row};
use site::{Ids, Site, plain};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// Requests that are measured for each row, in pairs.
const PAIRS: usize = 60;
/// How far medians may lie apart: schedulers do more than that to a single request.
const APART: Duration = Duration::from_millis(1);
/// Or this part of the slower one, where the work itself takes longer.
const PART: u32 = 4;

#[test]
fn every_route_and_method_has_a_row() {
    let known: BTreeSet<_> = MATRIX.iter().map(|(method, route, _)| (*method, *route)).collect();
    let rows: BTreeSet<_> = ROWS.iter().map(|row| (row.method, row.route)).collect();
    assert_eq!(rows, known);
    assert_eq!(rows.len(), ROWS.len(), "one stands there twice");
}

/// Everybody of A asks A for what is B's, and for what is nobody's.
#[test]
fn what_is_another_units_is_as_if_it_did_not_exist() {
    let site = Site::start();
    let nobodys = site.of_b.nobodys();
    for row in ROWS.iter().filter(|row| row.names_something) {
        for asker in &site.askers {
            let token = asker.token(&site.a);
            let ask = |ids: &Ids| site.a.ask(row, token.as_deref(), ids);
            let (foreign, none) = (ask(&site.of_b), ask(&nobodys));
            let of = format!("{} {} by {}", row.method, row.route, asker.name);
            assert_eq!(plain(&foreign), plain(&none), "{of}");
            if row.found_by == Some(asker.name.as_str()) {
                assert_eq!(foreign.status, row.status, "{of}: {}", foreign.body);
                // What is A's own is found in the same way: the row can fail.
                let own = ask(&site.of_a);
                assert_ne!(plain(&own), plain(&none), "{of}");
            }
        }
    }
    let named = |by: &str| site.askers.iter().any(|asker| asker.name == by);
    assert!(ROWS.iter().filter_map(|row| row.found_by).all(named), "somebody finds what each row is about");
}

/// Everybody of A asks B for what is A's, with what lets them in at A.
#[test]
fn what_lets_in_at_one_unit_lets_in_nowhere_else() {
    let site = Site::start();
    let nobodys = site.of_a.nobodys();
    for row in ROWS {
        for asker in &site.askers {
            let token = asker.token(&site.a);
            let forged = token.as_ref().map(|_| "e30.e30.e30");
            let own = site.b.ask(row, token.as_deref(), &site.of_a);
            let none = site.b.ask(row, forged, &nobodys);
            let of = format!("{} {} by {}", row.method, row.route, asker.name);
            assert_eq!(plain(&own), plain(&none), "{of}");
            assert!(!row.needs_somebody || own.status == 401, "{of}: {} {}", own.status, own.body);
        }
    }
    // And nothing was ended, locked or used up by it.
    for asker in site.askers.iter().filter(|asker| asker.is_staff()) {
        let token = asker.token(&site.a);
        let me = Row::of("GET", "/api/v1/me");
        assert_eq!(site.a.ask(me, token.as_deref(), &site.of_a).status, 200, "{}", asker.name);
    }
    let renew = Row::of("POST", "/api/v1/auth/renew");
    assert_eq!(site.a.ask(renew, None, &site.of_a).status, 200);
}

#[test]
fn it_takes_as_long_as_for_what_does_not_exist() {
    let site = Site::start();
    let nobodys = site.of_b.nobodys();
    for row in ROWS.iter().filter(|row| row.names_something) {
        let by = row.found_by.unwrap_or("Administrator");
        let asker = site.askers.iter().find(|asker| asker.name == by).unwrap();
        let token = asker.token(&site.a);
        let take = |ids: &Ids| {
            let begun = Instant::now();
            site.a.ask(row, token.as_deref(), ids);
            begun.elapsed()
        };
        let (foreign, none) = (0..PAIRS).map(|_| (take(&site.of_b), take(&nobodys))).unzip();
        same_class(&format!("{} {} by {by}", row.method, row.route), foreign, none);
    }
}

/// Medians lie as close together as is stated above.
fn same_class(of: &str, mut foreign: Vec<Duration>, mut none: Vec<Duration>) {
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (foreign, none) = (median(&mut foreign), median(&mut none));
    println!("{of}: {foreign:?} for what is another's, {none:?} for what is nobody's");
    assert!(foreign.abs_diff(none) <= APART.max(foreign.max(none) / PART), "{of}: {foreign:?}, {none:?}");
}
