//! From where a request comes: the address that connects, or what a trusted proxy says of it.
use std::net::IpAddr;

use http::HeaderMap;

use crate::settings::list;

/// From where a request comes, in its extensions; requests within the process have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// The proxies whose word counts.
#[derive(Debug, Default)]
pub struct Proxies(Vec<(IpAddr, u32)>);

impl Proxies {
    /// Reads addresses and networks: "10.0.0.0/8, ::1".
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            |entry: &str| format!("\"{entry}\" is neither an address nor a network; write it as 10.0.0.0/8");
        let networks = list(text).map(|entry| {
            let (address, length) =
                entry.split_once('/').map_or((entry, None), |(address, bits)| (address, Some(bits)));
            let address: IpAddr = address.parse().map_err(|_| wrong(entry))?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let length = length.map_or(Ok(most), |bits| bits.parse().map_err(|_| wrong(entry)))?;
            if length > most { Err(wrong(entry)) } else { Ok((address, length)) }
        });
        networks.collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address is one of them.
    pub fn hold(&self, address: IpAddr) -> bool {
        self.0.iter().any(|&(network, length)| match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same(network.to_bits().into(), address.to_bits().into(), 32 - length)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same(network.to_bits(), address.to_bits(), 128 - length)
            }
            _ => false,
        })
    }

    /// The caller's address: from the right of X-Forwarded-For, the first that is no trusted proxy. What stands further left, the
    /// caller may have written itself.
    pub fn caller(&self, peer: Peer, headers: &HeaderMap) -> Peer {
        let mut address = peer.0;
        if self.0.is_empty() || !self.hold(address) {
            return peer;
        }
        let lines: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
        for told in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let Ok(next) = told.trim().parse::<IpAddr>() else { break };
            address = next.to_canonical();
            if !self.hold(address) {
                break;
            }
        }
        Peer(address)
    }
}

fn same(one: u128, other: u128, ignored: u32) -> bool {
    one.checked_shr(ignored).unwrap_or(0) == other.checked_shr(ignored).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_speak_for_others() {
        let proxies = Proxies::parse("10.0.0.0/8, ::1").expect("networks");
        let of = |peer: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().expect("a header"));
            }
            proxies.caller(Peer(peer.parse().expect("an address")), &headers).0.to_string()
        };
        assert_eq!(of("192.0.2.1", &["203.0.113.9"]), "192.0.2.1", "who is no proxy speaks for itself");
        assert_eq!(of("10.1.1.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(
            of("10.1.1.1", &["6.6.6.6, 203.0.113.9, 10.2.2.2"]),
            "203.0.113.9",
            "the left is the caller's own word"
        );
        assert_eq!(of("10.1.1.1", &["6.6.6.6", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(of("10.1.1.1", &["nonsense"]), "10.1.1.1");
        assert_eq!(of("10.1.1.1", &[]), "10.1.1.1");
        assert_eq!(of("::1", &["2001:db8::7"]), "2001:db8::7");
        for wrong in ["10.0.0.0/33", "proxy", "10.0.0.0/x", "::/129"] {
            assert!(Proxies::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Proxies::parse("0.0.0.0/0").is_ok_and(|all| all.hold(IpAddr::from([1, 2, 3, 4]))));
    }
}
