//! `address:port`, and the sockets for it.

use super::bind_error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpListener;

/// The value cannot be listened on. One line that names the key.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ListenError(pub String);

/// The addresses of a value: `localhost` is both loopback addresses, anything else one address.
///
/// # Errors
/// It is neither; the error names the key.
pub fn parse(key: &str, value: &str) -> Result<Vec<SocketAddr>, ListenError> {
    if let Ok(address) = value.parse() {
        return Ok(vec![address]);
    }
    match value.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some(("localhost", Ok(port))) => {
            let address = |ip: IpAddr| SocketAddr::new(ip, port);
            Ok(vec![address(Ipv4Addr::LOCALHOST.into()), address(Ipv6Addr::LOCALHOST.into())])
        }
        _ => Err(ListenError(format!(
            "{key}: `{value}` is not an address and port, such as localhost:8080, 192.0.2.1:443 or [::]:443"
        ))),
    }
}

/// Binds all of them on one port. The first must succeed; the others may be missing on a machine
/// without IPv6, but not be taken by somebody else.
///
/// # Errors
/// One cannot be listened on; the error names the key.
pub async fn bind(key: &str, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ListenError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match bind_once(key, addresses).await {
            // A free port for one address may be taken on the other.
            Err(_) if addresses.iter().all(|address| address.port() == 0) && tries < 20 => {}
            result => return result,
        }
    }
}

async fn bind_once(key: &str, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ListenError> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for address in addresses {
        let mut address = *address;
        if let Some(first) = listeners.first() {
            address
                .set_port(first.local_addr().map_err(|e| ListenError(bind_error(key, address, &e)))?.port());
        }
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if !listeners.is_empty() && error.kind() != std::io::ErrorKind::AddrInUse => {}
            // `[::]` takes IPv4 too; without IPv6 there is `0.0.0.0`.
            Err(error)
                if address.ip() == Ipv6Addr::UNSPECIFIED && error.kind() != std::io::ErrorKind::AddrInUse =>
            {
                let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
                let listener = TcpListener::bind(v4).await;
                listeners.push(listener.map_err(|e| ListenError(bind_error(key, v4, &e)))?);
            }
            Err(error) => return Err(ListenError(bind_error(key, address, &error))),
        }
    }
    Ok(listeners)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_both_loopback_addresses_and_names_are_refused() {
        let ips = |value| {
            parse("http.listen", value).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(ips("localhost:8080").unwrap(), ["127.0.0.1:8080", "[::1]:8080"]);
        assert_eq!(ips("192.0.2.1:443").unwrap(), ["192.0.2.1:443"]);
        assert_eq!(ips("[::]:0").unwrap(), ["[::]:0"]);
        for bad in ["", "8080", "localhost", "localhost:", "localhost:70000", "example.org:80", "::1:80"] {
            let said = parse("http.listen", bad).unwrap_err().to_string();
            assert!(said.starts_with("http.listen: ") && said.contains(bad), "{said}");
        }
    }

    #[tokio::test]
    async fn all_addresses_get_one_port_and_a_taken_one_is_named() {
        let first = bind("http.listen", &parse("http.listen", "localhost:0").unwrap()).await.unwrap();
        let ports: Vec<_> = first.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
        let taken = format!("127.0.0.1:{}", ports[0]);
        let said = bind("http.listen", &parse("http.listen", &taken).unwrap()).await.unwrap_err().to_string();
        assert_eq!(said, format!("http.listen: {taken} is in use by another program"));
    }
}
