//! A build that holds the pages is made anew when they change; a debug build reads them from the checkout.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("PROFILE").as_deref() == Ok("release") {
        println!("cargo::rerun-if-changed=../web/dist");
    }
}
