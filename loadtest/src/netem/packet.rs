//! IPv4 packets, as far as a router that renames clients needs them: RFC 791 headers, RFC 1624 checksums,
//! RFC 792 refusals. Every read is bounded; nothing here panics on what a program sends.

use std::net::Ipv4Addr;

/// Bytes of a header without options; headers with options are refused, source routes among them.
const HEADER: usize = 20;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Who sent a packet and who is to have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Addresses {
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
}

/// Reads a header; `None` for what is not a whole IPv4 packet without options.
pub(super) fn addresses(packet: &[u8]) -> Option<Addresses> {
    let header: &[u8; HEADER] = packet.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] != 0x45 || length != packet.len() {
        return None;
    }
    let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    Some(Addresses { source: address(12), destination: address(16) })
}

/// Which end of a packet is renamed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Source,
    Destination,
}

/// Gives one side another address and, with a mask that is not 0, another port (its bits flipped by the mask,
/// so that renaming twice gives the first name back). Keeps the checksums right, which a wrong one stays wrong by.
pub(super) fn rename(packet: &mut [u8], side: Side, address: Ipv4Addr, port_mask: u16) {
    if addresses(packet).is_none() {
        return;
    }
    let at = if side == Side::Source { 12 } else { 16 };
    let old: [u8; 4] = [packet[at], packet[at + 1], packet[at + 2], packet[at + 3]];
    let new = address.octets();
    packet[at..at + 4].copy_from_slice(&new);
    fix(packet, 10, &old, &new);

    let first_fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff == 0;
    let checksum = match packet[9] {
        TCP => HEADER + 16,
        UDP => HEADER + 6,
        _ => return,
    };
    if !first_fragment || packet.len() < checksum + 2 {
        return;
    }
    let has_checksum = packet[9] == TCP || packet[checksum..checksum + 2] != [0, 0];
    let at = if side == Side::Source { HEADER } else { HEADER + 2 };
    let port = [packet[at], packet[at + 1]];
    let renamed = (u16::from_be_bytes(port) ^ port_mask).to_be_bytes();
    packet[at..at + 2].copy_from_slice(&renamed);
    if has_checksum {
        fix(packet, checksum, &old, &new);
        fix(packet, checksum, &port, &renamed);
        // RFC 768: a sum of 0 is sent as all ones.
        if packet[9] == UDP && packet[checksum..checksum + 2] == [0, 0] {
            packet[checksum..checksum + 2].copy_from_slice(&[0xff, 0xff]);
        }
    }
}

/// Adjusts the checksum at `at` for words that changed: RFC 1624, equation 3.
fn fix(packet: &mut [u8], at: usize, old: &[u8], new: &[u8]) {
    let mut sum = u32::from(!u16::from_be_bytes([packet[at], packet[at + 1]]));
    for (old, new) in old.chunks_exact(2).zip(new.chunks_exact(2)) {
        sum += u32::from(!u16::from_be_bytes([old[0], old[1]]))
            + u32::from(u16::from_be_bytes([new[0], new[1]]));
    }
    packet[at..at + 2].copy_from_slice(&(!fold(sum)).to_be_bytes());
}

const fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The checksum of RFC 1071 over an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    !fold(bytes.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum())
}

/// What a router answers to a packet it will not pass on: ICMP "communication administratively prohibited", so
/// that a program learns at once. Nothing for what must not be answered (RFC 1122 §3.2.2).
pub(super) fn prohibited(packet: &[u8], router: Ipv4Addr) -> Option<[u8; 56]> {
    let Addresses { source, destination } = addresses(packet)?;
    let later_fragment = packet[6] & 0x1f != 0 || packet[7] != 0;
    let to_many = destination.is_multicast() || destination.is_broadcast();
    if packet[9] == ICMP || later_fragment || to_many || packet.len() < HEADER + 8 {
        return None;
    }
    let mut answer = [0; 56];
    answer[..4].copy_from_slice(&[0x45, 0, 0, 56]);
    answer[8..10].copy_from_slice(&[64, ICMP]);
    answer[12..16].copy_from_slice(&router.octets());
    answer[16..20].copy_from_slice(&source.octets());
    answer[20..22].copy_from_slice(&[3, 13]);
    answer[28..56].copy_from_slice(&packet[..28]);
    let sum = checksum(&answer[..20]);
    answer[10..12].copy_from_slice(&sum.to_be_bytes());
    let sum = checksum(&answer[20..]);
    answer[22..24].copy_from_slice(&sum.to_be_bytes());
    Some(answer)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in super::super) fn udp(
        source: (Ipv4Addr, u16),
        destination: (Ipv4Addr, u16),
        payload: &[u8],
    ) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, UDP, 0, 0];
        packet.extend(source.0.octets());
        packet.extend(destination.0.octets());
        packet.extend(source.1.to_be_bytes());
        packet.extend(destination.1.to_be_bytes());
        packet.extend((payload.len() as u16 + 8).to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(payload);
        let length = packet.len() as u16;
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        let sum = checksum(&packet[..HEADER]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        let sum = transport_sum(&packet, 26);
        packet[26..28].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    /// What the checksum at `at` has to be, counted anew.
    fn transport_sum(packet: &[u8], at: usize) -> u16 {
        let mut whole = packet[12..HEADER].to_vec();
        whole.extend([0, packet[9]]);
        whole.extend((packet.len() as u16 - HEADER as u16).to_be_bytes());
        whole.extend(&packet[HEADER..at]);
        whole.extend([0, 0]);
        whole.extend(&packet[at + 2..]);
        if whole.len() % 2 == 1 {
            whole.push(0);
        }
        let sum = checksum(&whole);
        if sum == 0 && packet[9] == UDP { 0xffff } else { sum }
    }

    fn header_sum_is_right(packet: &[u8]) -> bool {
        checksum(&packet[..HEADER]) == 0
    }

    fn any_end() -> impl Strategy<Value = (Ipv4Addr, u16)> {
        (any::<u32>().prop_map(Ipv4Addr::from), any::<u16>())
    }

    proptest! {
        #[test]
        fn renaming_keeps_checksums_right_and_can_be_undone(
            from in any_end(), to in any_end(), other: u32, mask: u16,
            payload in proptest::collection::vec(any::<u8>(), 0..100), tcp: bool, source: bool,
        ) {
            let mut packet = udp(from, to, &payload);
            let mut at = 26;
            if tcp {
                // Enough to look like a header; only ports and checksum matter.
                packet.resize(packet.len().max(40), 0);
                let length = packet.len() as u16;
                packet[2..4].copy_from_slice(&length.to_be_bytes());
                packet[9] = TCP;
                packet[10..12].fill(0);
                let sum = checksum(&packet[..HEADER]);
                packet[10..12].copy_from_slice(&sum.to_be_bytes());
                at = 36;
                let sum = transport_sum(&packet, at);
                packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
            }
            let before = packet.clone();
            let (side, own) = if source { (Side::Source, from) } else { (Side::Destination, to) };
            rename(&mut packet, side, Ipv4Addr::from(other), mask);
            prop_assert!(header_sum_is_right(&packet));
            let sum = u16::from_be_bytes([packet[at], packet[at + 1]]);
            // All ones and 0 are the same sum.
            let right = transport_sum(&packet, at);
            prop_assert!(sum == right || ([sum, right].iter().all(|it| [0, 0xffff].contains(it))), "{sum} {right}");
            rename(&mut packet, side, own.0, mask);
            let differing = before.iter().zip(&packet).enumerate().filter(|(_, (a, b))| a != b);
            prop_assert!(differing.map(|(i, _)| i).all(|i| i == at || i == at + 1 || i == 10 || i == 11));
            prop_assert_eq!(addresses(&packet), addresses(&before));
        }

        #[test]
        fn no_bytes_are_too_odd(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), mask: u16) {
            let _ = prohibited(&bytes, Ipv4Addr::LOCALHOST);
            rename(&mut bytes, Side::Source, Ipv4Addr::LOCALHOST, mask);
            if bytes.len() >= HEADER {
                // As if its length were right, so that what lies behind is reached too.
                let length = (bytes.len() as u16).to_be_bytes();
                bytes[0] = 0x45;
                bytes[2..4].copy_from_slice(&length);
                let _ = prohibited(&bytes, Ipv4Addr::LOCALHOST);
                rename(&mut bytes, Side::Destination, Ipv4Addr::LOCALHOST, mask);
            }
        }
    }

    #[test]
    fn no_checksum_stays_none() {
        let mut packet = udp((Ipv4Addr::LOCALHOST, 1), (Ipv4Addr::LOCALHOST, 2), b"x");
        packet[26..28].fill(0);
        rename(&mut packet, Side::Source, Ipv4Addr::BROADCAST, 3);
        assert_eq!(packet[26..28], [0, 0]);
    }

    #[test]
    fn later_fragments_have_no_ports() {
        let mut packet = udp((Ipv4Addr::LOCALHOST, 1), (Ipv4Addr::LOCALHOST, 2), b"12345678");
        packet[7] = 3;
        let before = packet.clone();
        rename(&mut packet, Side::Source, Ipv4Addr::BROADCAST, 3);
        assert_eq!(packet[HEADER..], before[HEADER..]);
    }

    #[test]
    fn options_and_cut_packets_are_no_packets() {
        let mut packet = udp((Ipv4Addr::LOCALHOST, 1), (Ipv4Addr::LOCALHOST, 2), b"12345678");
        assert!(addresses(&packet).is_some());
        assert!(addresses(&packet[..30]).is_none());
        packet[0] = 0x46;
        assert!(addresses(&packet).is_none());
        packet[0] = 0x65;
        assert!(addresses(&packet).is_none());
        assert!(addresses(&[]).is_none());
    }

    #[test]
    fn a_refusal_is_sound_and_never_answers_icmp_or_many() {
        let (from, to) = ((Ipv4Addr::new(10, 78, 1, 2), 9), (Ipv4Addr::new(192, 0, 2, 1), 53));
        let router = Ipv4Addr::new(10, 78, 1, 1);
        let packet = udp(from, to, b"hello");
        let answer = prohibited(&packet, router).expect("an answer");
        assert_eq!(addresses(&answer), Some(Addresses { source: router, destination: from.0 }));
        assert!(header_sum_is_right(&answer) && checksum(&answer[HEADER..]) == 0);
        let mut icmp = packet;
        icmp[9] = ICMP;
        assert_eq!(prohibited(&icmp, router), None);
        assert_eq!(prohibited(&udp(from, (Ipv4Addr::new(224, 0, 0, 251), 1), b"x"), router), None);
    }
}
