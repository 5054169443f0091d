//! Congestion control over a path in virtual time.

#[path = "link/mod.rs"]
mod link;

use link::{JOURNEYS, session};

#[test]
fn all_journeys() {
    for journey in JOURNEYS {
        let travelled = session::travel(journey, 1);
        println!("{:<24}{}", journey.name, travelled.summary());
        if std::env::var("TRACE").is_ok_and(|name| journey.name.contains(&name)) {
            for s in travelled.samples.iter().step_by(5) {
                println!("{:>6.1} s  {s}", s.at_us as f64 / 1e6);
            }
        }
    }
}
