//! Ports on which something listens that a request must not be mistaken for, such as a mail server.

/// Those that browsers refuse: "port blocking" of the Fetch standard, in order.
const BLOCKED: [u16; 82] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
    109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515,
    526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049,
    3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// Whether the port may be called where the settings name `ports`, or none.
pub(crate) fn permits(ports: &[u16], port: u16) -> bool {
    if ports.is_empty() {
        return port != 0 && BLOCKED.binary_search(&port).is_err();
    }
    ports.contains(&port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_other_protocols_are_blocked_unless_they_are_named() {
        assert!(BLOCKED.is_sorted());
        assert!(
            permits(&[], 443)
                && permits(&[], 8080)
                && !permits(&[], 25)
                && !permits(&[], 6667)
                && !permits(&[], 0)
        );
        assert!(permits(&[25], 25) && !permits(&[25], 443));
    }
}
