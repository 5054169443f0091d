//! What a run leaves behind, or does not.

use std::{collections::BTreeSet, fs, process::Command, thread, time::Duration};

/// Waits until it is so.
pub(crate) fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..200 {
        if so() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("not in 10 s: {what}");
}

/// Devices of this network.
pub(crate) fn links() -> String {
    String::from_utf8(Command::new("ip").args(["-o", "link"]).output().unwrap().stdout).unwrap()
}

/// Processes with this in their command line, whose words end with 0 bytes.
pub(crate) fn processes(text: &str) -> Vec<u32> {
    let has = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    };
    all().into_iter().filter(has).collect()
}

/// Its children.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in parentheses may hold anything; state and parent follow it.
        let after = stat.rsplit_once(") ").map(|(_, after)| after.to_owned()).unwrap_or_default();
        after.split(' ').nth(1) == Some(&parent.to_string())
    };
    all().into_iter().filter(is_child).collect()
}

/// The network namespace of a process.
pub(crate) fn network(pid: u32) -> Option<String> {
    Some(fs::read_link(format!("/proc/{pid}/ns/net")).ok()?.to_str()?.to_owned())
}

/// Every network namespace that has a process.
pub(crate) fn networks() -> BTreeSet<String> {
    all().into_iter().filter_map(network).collect()
}

fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}
