//! A socket in the data directory, for operators on this machine: who may use the directory may use it. One line of JSON
//! each way, one operation a connection.

use super::operation::{self, Operation, Reply};
use crate::{
    failure::Failure,
    limits::{CONTROL_BYTES, CONTROL_WITHIN},
};
use identity::Identity;
use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tenancy::Directory;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Where it is.
pub(crate) fn path(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// Serves operators until `stop`, one after the other.
pub(crate) async fn serve(
    path: PathBuf,
    units: Arc<Directory>,
    identity: Option<Arc<Identity>>,
    stop: CancellationToken,
) {
    let listener = match listen(&path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%error, "`telehealth units` can be used only while this server does not run");
            return stop.cancelled().await;
        }
    };
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // Whoever hung up has no answer.
                let _ = timeout(CONTROL_WITHIN, answer(stream, &units, identity.as_deref())).await;
            }
            // Out of files: nothing is gained by asking again at once.
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
    let _ = fs::remove_file(&path);
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    // The event log is ours: what stands there is of a process that ended.
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn answer(mut stream: UnixStream, units: &Directory, identity: Option<&Identity>) -> io::Result<()> {
    let asked = line(&mut stream).await?;
    let reply = match serde_json::from_str::<Operation>(&asked) {
        Ok(operation) => operation::perform(units, identity, operation).await,
        Err(_) => Reply::Refused { why: "the server is of another build: use its own `telehealth`".into() },
    };
    let mut text = serde_json::to_string(&reply)?;
    text.push('\n');
    stream.write_all(text.as_bytes()).await
}

/// Asks the server that runs on a data directory.
///
/// # Errors
/// One line that says why there is no answer.
pub(crate) async fn ask(path: &Path, operation: &Operation) -> Result<Reply, Failure> {
    let asked = async {
        let mut stream = UnixStream::connect(path).await?;
        let mut text = serde_json::to_string(operation)?;
        text.push('\n');
        stream.write_all(text.as_bytes()).await?;
        let reply = line(&mut stream).await?;
        Ok::<_, io::Error>(serde_json::from_str(&reply)?)
    };
    let broken = |why: String| Failure::Broken(format!("the server that runs on this data directory: {why}"));
    match timeout(CONTROL_WITHIN, asked).await {
        Ok(reply) => reply.map_err(|error| broken(error.to_string())),
        Err(_) => Err(broken("it does not answer".into())),
    }
}

async fn line(stream: &mut UnixStream) -> io::Result<String> {
    let mut text = String::new();
    BufReader::new(stream.take(CONTROL_BYTES)).read_line(&mut text).await?;
    Ok(text)
}
