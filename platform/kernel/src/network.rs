//! Where callers come from, as far as their addresses say it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The network that an address is of: a /24, or a /64 of IPv6.
#[must_use]
pub fn network_of(address: IpAddr) -> IpAddr {
    match subscriber_of(address) {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & 0xffff_ff00)),
        v6 @ IpAddr::V6(_) => v6,
    }
}

/// The address of one subscriber: an IPv4 address, or a /64 of IPv6.
#[must_use]
pub fn subscriber_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_what_one_subscriber_has() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("192.0.2.77"), "192.0.2.0");
        assert_eq!(network("::ffff:192.0.2.77"), "192.0.2.0");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        let subscriber = |text: &str| subscriber_of(text.parse().unwrap()).to_string();
        assert_eq!(subscriber("::ffff:192.0.2.77"), "192.0.2.77");
        assert_eq!(subscriber("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
