//! `loadtest netem` for real: namespaces, TUN devices, UDP and TCP through the kernel. Needs the right to make
//! them (root); without it the tests say so and are skipped. They measure time, so one runs at a time.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod peers;
mod traces;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs::{self, File, Permissions},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// A run of netem with a peer for a server and one for a client.
struct Scene {
    directory: TempDir,
    _turn: File,
}

impl Scene {
    /// `None`, and says why, where namespaces cannot be made.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !PathBuf::from("/dev/net/tun").exists() {
            eprintln!("skipped: needs root and /dev/net/tun");
            return None;
        }
        let possible = Command::new("unshare").args(["--net", "--pid", "--fork", "ip", "link"]).output();
        if !possible.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: network namespaces cannot be made here, or iproute2 is missing");
            return None;
        }
        let turn = File::create(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("netem.turn")).unwrap();
        turn.lock().unwrap();
        Some(Self { directory: TempDir::new().unwrap(), _turn: turn })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// With a script and further arguments.
    fn netem(&self, script: &str, arguments: &[&str]) -> Command {
        fs::write(self.path("script.toml"), script).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
        command.arg("netem").arg("--script").arg(self.path("script.toml"));
        command.arg("--report").arg(self.path("report.json")).args(arguments);
        command.env("PEER_OUT", self.path("out.json")).env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs a client's peer against a server's; what the client wrote, and the report.
    fn play(&self, script: &str, arguments: &[&str], server: &str, client: &str) -> (Value, Value) {
        let server = format!("--server={}", peers::line(server));
        let client = format!("--client=alice={}", peers::line(client));
        let output = self
            .netem(script, &[arguments, &["--wait-for=9000", &server, &client]].concat())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
        (self.read("out.json"), self.read("report.json"))
    }

    fn read(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn number(of: &Value, path: &str) -> f64 {
    of.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} in {of}"))
}

/// Round trips in order, milliseconds; `None` for those without an answer.
fn round_trips(pings: &Value) -> Vec<Option<f64>> {
    pings.as_array().unwrap().iter().map(|ping| ping["rtt_ms"].as_f64()).collect()
}

#[test]
fn delay_is_what_the_script_says() {
    let Some(scene) = Scene::new() else { return };
    let (pings, _) = scene.play("both = { delay = '50 ms' }", &[], "echo", "pings 60 10");
    let mut times: Vec<f64> = round_trips(&pings).into_iter().flatten().collect();
    times.sort_by(f64::total_cmp);
    eprintln!(
        "round trips: {:.2} ms at least, {:.2} at median, {:.2} at most",
        times[0], times[30], times[59]
    );
    // Beyond the least, it is how busy the machine is.
    assert!((100.0..103.0).contains(&times[0]) && times[30] < 115.0, "{times:?}");
}

#[test]
fn so_much_is_lost_and_the_same_with_the_same_seed() {
    let Some(scene) = Scene::new() else { return };
    let mut lost = Vec::new();
    for seed in ["--seed=7", "--seed=7", "--seed=8"] {
        let (seen, report) = scene.play("up = { loss = '5 %' }", &[seed], "count", "blast 2000 100 500");
        lost.push(2_000.0 - number(&seen, "/packets"));
        // The questions at the end may be lost too.
        assert!(number(&report, "/clients/0/up/lost") >= lost[lost.len() - 1]);
    }
    eprintln!("lost of 2,000: {lost:?}");
    assert!(lost.iter().all(|lost| (80.0..=120.0).contains(lost)), "{lost:?}");
    assert!(lost[0] == lost[1] && lost[0] != lost[2], "{lost:?}");
}

#[test]
fn the_rate_is_kept_and_used() {
    let Some(scene) = Scene::new() else { return };
    let script = "up = { rate = '1 Mbit/s', queue = '100 ms' }";
    // 2 Mbit/s for three seconds.
    let (seen, report) = scene.play(script, &[], "count", "blast 750 972 4000");
    let bits_per_us = number(&seen, "/bits") / number(&seen, "/us");
    eprintln!("{bits_per_us:.4} Mbit/s of 1, {} did not fit", number(&report, "/clients/0/up/queue_full"));
    assert!((0.9..=1.02).contains(&bits_per_us), "{seen}");
}

#[test]
fn a_cut_lasts_its_time() {
    let Some(scene) = Scene::new() else { return };
    let script = "[[step]]\nat = '1 s'\nfor = '1 s'\ncut = 'both'";
    let (pings, report) = scene.play(script, &[], "echo", "pings 150 20");
    let times = round_trips(&pings);
    let missing: Vec<usize> = (0..150).filter(|i| times[*i].is_none()).collect();
    eprintln!("pings 20 ms apart, missing: {} to {}", missing[0], missing[missing.len() - 1]);
    assert!((47..=53).contains(&missing.len()), "{missing:?}");
    assert_eq!(missing[missing.len() - 1] - missing[0], missing.len() - 1, "{missing:?}");
    assert_eq!(number(&report, "/clients/0/up/cut"), missing.len() as f64);
}

#[test]
fn one_way_can_be_cut() {
    let Some(scene) = Scene::new() else { return };
    let script = "[[step]]\nat = '500 ms'\nfor = '1 s'\ncut = 'down'";
    let (pings, report) = scene.play(script, &[], "echo", "pings 100 20");
    let missing = round_trips(&pings).iter().filter(|time| time.is_none()).count();
    assert!((47..=53).contains(&missing), "{missing}");
    assert_eq!(number(&report, "/clients/0/up/cut"), 0.0);
    assert_eq!(number(&report, "/clients/0/up/passed"), 100.0);
    assert_eq!(number(&report, "/clients/0/down/cut"), missing as f64);
}

#[test]
fn after_a_new_address_the_same_flow_goes_on() {
    let Some(scene) = Scene::new() else { return };
    let script = "both = { delay = '5 ms' }\n[[step]]\nat = '500 ms'\nevery = '500 ms'\nreaddress = true";
    let (pings, report) = scene.play(script, &[], "echo", "pings 80 20");
    let seen: BTreeSet<&str> =
        pings.as_array().unwrap().iter().filter_map(|ping| ping["seen"].as_str()).collect();
    let answered = round_trips(&pings).iter().flatten().count();
    eprintln!("the server saw {seen:?}; {answered} of 80 answered");
    let addresses: BTreeSet<&str> = seen.iter().filter_map(|seen| seen.split(':').next()).collect();
    let ports: BTreeSet<&str> = seen.iter().filter_map(|seen| seen.split(':').nth(1)).collect();
    assert!(addresses.is_superset(&BTreeSet::from(["10.78.1.2", "10.78.1.3", "10.78.1.4"])), "{seen:?}");
    assert_eq!(ports.len(), seen.len(), "{seen:?}");
    // What was on its way to the old address at a change is gone.
    assert_eq!(80 - answered, number(&report, "/refused/stale") as usize);
    assert!(answered >= 74, "{answered}");
}

#[test]
fn tcp_passes_whole_through_a_small_mtu_and_losses() {
    let Some(scene) = Scene::new() else { return };
    let script = "both = { delay = '5 ms', jitter = '5 ms', loss = '1 %', rate = '40 Mbit/s' }";
    let (got, report) = scene.play(script, &["--mtu=1280"], "stream 2000000", "collect 2000000");
    assert_eq!(got["whole"], true, "{got}");
    let down = report.pointer("/clients/0/down").unwrap();
    let largest = number(down, "/bytes") / number(down, "/packets");
    eprintln!("2 MB in {:.1} s; {largest:.0} bytes a packet", number(&got, "/seconds"));
    assert!((1_100.0..=1_280.0).contains(&largest), "{down}");
    assert_eq!(number(&report, "/refused/outside"), 0.0);
}

#[test]
fn two_clients_have_a_link_each_and_reach_each_other() {
    let Some(scene) = Scene::new() else { return };
    let (alice, bob) = (peers::line("pings 20 10 10.78.2.2"), peers::line("echo"));
    // Bob ends when he is asked to: at a word from alice through a file.
    let bob = format!(
        "--client=bob={bob} & while [ ! -e {}/out.json ]; do sleep 0.1; done",
        scene.path("").display()
    );
    let alice = format!("--client=alice={alice}");
    let slow = scene.path("slow.toml");
    fs::write(&slow, "down = { delay = '30 ms' }").unwrap();
    let link = format!("--link=bob={}", slow.display());
    let output = scene.netem("up = { delay = '20 ms' }", &[&alice, &bob, &link]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let times: Vec<f64> = round_trips(&scene.read("out.json")).into_iter().flatten().collect();
    // Up 20 and down 30 to bob; bob's up is not limited, nor is alice's down.
    assert!(times.len() >= 15 && times.iter().all(|time| *time >= 50.0), "{times:?}");
}

#[test]
fn another_script_can_be_given_while_it_runs() {
    let Some(scene) = Scene::new() else { return };
    let (slow, go) = (scene.path("slow.toml"), scene.path("go"));
    fs::write(&slow, "both = { delay = '30 ms' }").unwrap();
    let server = format!("--server={}", peers::line("echo"));
    let pings = peers::line("pings 20 10");
    let client = format!("--client=alice=until [ -e {} ]; do sleep 0.05; done; {pings}", go.display());
    let mut netem = scene.netem("", &["--control", "--wait-for=9000", &server, &client]);
    let netem = netem.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut netem = netem.spawn().unwrap();
    let mut told = netem.stdin.take().unwrap();
    let mut answers = BufReader::new(netem.stdout.take().unwrap()).lines();
    let wish = format!("alice={}", slow.display());
    let mut ask = |line: &str| {
        writeln!(told, "{line}").unwrap();
        answers.next().unwrap().unwrap()
    };
    assert_eq!(ask("bob=4g"), "refused: bob: there is no such client");
    assert_eq!(ask(&wish), wish);
    // Nothing more will be said: it goes on all the same.
    drop(told);
    fs::write(go, "").unwrap();
    assert!(netem.wait().unwrap().success());
    let times: Vec<f64> = round_trips(&scene.read("out.json")).into_iter().flatten().collect();
    assert!(times.len() >= 18 && times.iter().all(|time| *time >= 60.0), "{times:?}");
}

#[test]
fn other_addresses_are_refused_at_once() {
    let Some(scene) = Scene::new() else { return };
    // TEST-NET-1, which nobody has.
    let (got, report) = scene.play("", &[], "echo", "outside 192.0.2.1:80");
    assert_eq!(got["refused"], true, "{got}");
    assert!(number(&got, "/ms") < 1_000.0, "{got}");
    assert!(number(&report, "/refused/outside") >= 1.0, "{report}");
}

#[test]
fn the_clients_exit_code_is_netems() {
    let Some(scene) = Scene::new() else { return };
    let code = |arguments: &[&str]| scene.netem("", arguments).output().unwrap().status.code();
    assert_eq!(code(&["--", "true"]), Some(0));
    assert_eq!(code(&["--client=a=exit 0", "--client=b=exit 9"]), Some(9));
    assert_eq!(code(&["--client=a=kill -TERM $$"]), Some(143));
    assert_eq!(code(&["--server=exit 3", "--", "sleep", "60"]), Some(1));
    assert_eq!(code(&["--", "no-such-program"]), Some(1));
}

#[test]
fn the_network_it_is_started_in_may_be_the_servers_end_if_it_has_no_way_out() {
    let Some(scene) = Scene::new() else { return };
    let script = scene.path("script.toml");
    fs::write(&script, "both = { delay = '5 ms' }").unwrap();
    let netem = format!(
        "{} netem --quiet --here --script {} --client 'alice={}'",
        env!("CARGO_BIN_EXE_loadtest"),
        script.display(),
        peers::line("pings 20 10"),
    );
    let echo = peers::line("echo");
    let inside = format!(
        "set -e; ip link set lo up; {echo} & \
         ip link add out type dummy 2>/dev/null || ip link add out type veth peer name in; \
         ip addr add 10.99.0.1/24 dev out; ip link set out up; \
         ip route add default via 10.99.0.2; if {netem} 2>/dev/null; then exit 40; fi; ip route del default; \
         {netem}; ip -o link show | grep -q netem && exit 41; exit 0"
    );
    let mut command = Command::new("unshare");
    command.args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", &inside]);
    let output = command.env("PEER_OUT", scene.path("out.json")).output().unwrap();
    assert!(output.status.success(), "{:?}: {}", output.status, said(&output));
    let times: Vec<f64> = round_trips(&scene.read("out.json")).into_iter().flatten().collect();
    assert!(times.len() >= 18 && times.iter().all(|time| *time >= 10.0), "{times:?}");
}

#[test]
fn without_root_a_user_namespace_does() {
    let Some(scene) = Scene::new() else { return };
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let possible = Command::new("setpriv").args(nobody).args(["unshare", "--user", "--net", "true"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: user namespaces are not allowed here");
        return;
    }
    let everybodys = |tun: fs::Metadata| tun.permissions().mode() & 0o006 == 0o006;
    if !fs::metadata("/dev/net/tun").is_ok_and(everybodys) {
        eprintln!("skipped: this machine gives TUN devices to root only");
        return;
    }
    // Where nobody may read it.
    fs::set_permissions(scene.directory.path(), Permissions::from_mode(0o755)).unwrap();
    let program = scene.path("loadtest");
    fs::copy(env!("CARGO_BIN_EXE_loadtest"), &program).unwrap();
    let mut command = Command::new("setpriv");
    command.args(nobody).arg(&program).args(["netem", "--script=4g", "--", "ip", "-o", "address"]);
    let output = command.current_dir("/").output().unwrap();
    assert!(output.status.success() && said(&output).contains("10.78.1.2/24"), "{}", said(&output));
}

/// Starts commands that would stay for a day, one of them in the background and away from its session.
fn start_stayers(scene: &Scene, day: &str) -> Child {
    let mut command = scene.netem(
        "both = { delay = '50 ms' }",
        &[
            &format!("--server=setsid sleep {day} & sleep {day}"),
            &format!("--client=alice=(setsid sleep {day} &) ; sleep {day}"),
            &format!("--client=bob=trap '' TERM; sleep {day} & wait; sleep {day}"),
        ],
    );
    let child = command.stderr(Stdio::null()).spawn().unwrap();
    traces::until("the commands are there", || traces::processes(&format!("sleep\0{day}")).len() >= 5);
    child
}

fn process(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

#[test]
fn whoever_is_killed_nothing_is_left() {
    let Some(scene) = Scene::new() else { return };
    let links = traces::links();
    for (who, day) in [("the caller", "86397.25"), ("the router", "86398.25")] {
        let mut child = start_stayers(&scene, day);
        let [router] = traces::children(child.id())[..] else { panic!("not one router") };
        let sleepers = traces::processes(&format!("sleep\0{day}"));
        let networks: BTreeSet<_> = sleepers.iter().filter_map(|pid| traces::network(*pid)).collect();
        assert_eq!(networks.len(), 3, "the server's and two clients'");
        assert!(!networks.contains(&traces::network(std::process::id()).unwrap()));

        let victim = if who == "the caller" { child.id() } else { router };
        kill_process(process(victim), Signal::KILL).unwrap();
        child.wait().unwrap();
        traces::until(&format!("{who} killed: no process is left"), || {
            traces::processes(day).is_empty() && !PathBuf::from(format!("/proc/{router}")).exists()
        });
        traces::until(&format!("{who} killed: no network is left"), || {
            traces::networks().is_disjoint(&networks)
        });
        assert_eq!(traces::links(), links, "{who} killed");
    }
}

#[test]
fn asked_to_stop_it_asks_everybody_and_then_insists() {
    let Some(scene) = Scene::new() else { return };
    let mut child = start_stayers(&scene, "86399.25");
    kill_process(process(child.id()), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(traces::processes("86399.25").is_empty());
    let report = scene.read("report.json");
    assert_eq!(report.pointer("/clients/0/exit_code"), Some(&Value::from(143)), "{report}");
    // The other was asked, and did not.
    assert_eq!(report.pointer("/clients/1/exit_code"), Some(&Value::Null), "{report}");
}

#[test]
fn a_server_has_time_to_end_well() {
    let Some(scene) = Scene::new() else { return };
    let file = scene.path("ended-well");
    let server = format!(
        "--server=sh -c 'trap \"sleep 0.5; touch {}; exit\" TERM; sleep 60 & wait'; true",
        file.display()
    );
    let output = scene.netem("", &[&server, "--", "sleep", "0.3"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(file.exists());
}

/// Not a test: what netem runs in these tests. See [`peers`].
#[test]
fn peer() {
    if let Ok(role) = std::env::var("PEER") {
        peers::play(&role);
        thread::sleep(Duration::from_millis(20));
    }
}
