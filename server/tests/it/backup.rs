use crate::{
    http::exchange,
    process::{Server, run},
};
use std::fs;

#[test]
fn a_running_server_is_backed_up_and_restored_elsewhere_with_its_links() {
    let server = Server::start();
    let (safe, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = safe.path().join("backup");
    let (file, data) = (file.to_str().unwrap(), server.data());
    let made = run(&["backup", file, "--data-dir", data.to_str().unwrap()], &[]);
    assert!(made.status.success(), "{made:?}");
    let said = String::from_utf8(made.stdout).unwrap();
    assert!(said.starts_with("backed up and checked: ") && !said.contains(": 0 events"), "{said}");

    let again = run(&["backup", file, "--data-dir", data.to_str().unwrap()], &[]);
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    let over = run(&["restore", file, "--data-dir", data.to_str().unwrap()], &[]);
    assert_eq!(over.status.code(), Some(2), "the server runs: {over:?}");
    let none = run(&["backup", file, "--data-dir", new.path().join("none").to_str().unwrap()], &[]);
    assert_eq!(none.status.code(), Some(2), "{none:?}");

    let place = new.path().join("data");
    let restored = run(&["restore", file, "--data-dir", place.to_str().unwrap()], &[]);
    assert!(restored.status.success(), "{restored:?}");
    let said = String::from_utf8(restored.stdout).unwrap();
    assert!(said.contains("no keys") && said.contains("checked and restored: "), "{said}");
    fs::create_dir(place.join("keys")).unwrap();
    for entry in fs::read_dir(data.join("keys")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), place.join("keys").join(entry.file_name())).unwrap();
    }
    assert!(said.contains("no keys.sqlite"), "{said}");
    // With what is written ahead.
    for name in ["keys.sqlite", "keys.sqlite-wal"] {
        fs::copy(data.join(name), place.join(name)).unwrap();
    }
    let secrets = ["clinic", "patient"].map(|of| server.secret(of).to_owned());
    drop(server);
    let server = Server::start_in(new);
    assert_eq!(["clinic", "patient"].map(|of| server.secret(of)), secrets);
    assert_eq!(exchange(server.http(), &secrets[1]).status, 200);
}
