//! SRTP and SRTCP (RFC 3711): AES-GCM (RFC 7714), and AES counter mode with HMAC-SHA1, which every WebRTC endpoint
//! must speak (RFC 8827 §6.5).
//!
//! The engine does the handshake and tells the keys; packets do not pass through it. Nothing here allocates.

use crate::{limits::REPORTING_SOURCES, metrics::Profile};
use aws_lc_rs::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey},
    hmac,
    iv::FixedLength,
};
use sfu_core::reception::Window;

/// The E flag of an SRTCP index word: encrypted (RFC 3711 §3.4).
const ENCRYPTED: u32 = 1 << 31;

/// Fixed part of an RTCP header with its first source: authenticated, not encrypted.
const RTCP_HEADER: usize = 8;

const GCM_TAG: usize = 16;
const HMAC_TAG: usize = 10;
const HMAC_KEY: usize = 20;

/// Both directions of one session.
pub(crate) struct Srtp {
    pub(crate) profile: Profile,
    out: Direction,
    inward: Direction,
    /// Index of the next SRTCP packet out.
    rtcp_index: u32,
    /// SRTCP packets that came in, by source: each counts for itself (RFC 3711 §3.2.3).
    rtcp_seen: Vec<(u32, Window)>,
}

struct Direction {
    rtp: Cipher,
    rtcp: Cipher,
}

/// How packets are protected with one session key.
enum Cipher {
    Gcm {
        key: LessSafeKey,
        salt: [u8; 12],
    },
    /// Boxed: it is forty times as large and seldom met.
    CounterMode(Box<CounterMode>),
}

struct CounterMode {
    key: EncryptingKey,
    salt: [u8; 14],
    auth: hmac::Key,
}

/// Sizes of master key and master salt.
const fn sizes(profile: Profile) -> (usize, usize) {
    match profile {
        Profile::Gcm256 => (32, 12),
        Profile::Gcm128 => (16, 12),
        Profile::Cm => (16, 14),
    }
}

impl Srtp {
    /// From what DTLS exported (RFC 5764 §4.2): client key, server key, client salt, server salt.
    /// `client` says whether we were the DTLS client.
    pub(crate) fn new(profile: Profile, material: &[u8], client: bool) -> Option<Self> {
        let (key, salt) = sizes(profile);
        let (keys, salts) = material.split_at_checked(2 * key)?;
        let (of_client, of_server) = keys.split_at(key);
        let (salt_of_client, salt_of_server) = salts.get(..2 * salt)?.split_at(salt);
        let theirs = Direction::derive(profile, of_server, salt_of_server)?;
        let ours = Direction::derive(profile, of_client, salt_of_client)?;
        let (out, inward) = if client { (ours, theirs) } else { (theirs, ours) };
        Some(Self { profile, out, inward, rtcp_index: 1, rtcp_seen: Vec::new() })
    }

    /// Bytes that [`Srtp::seal_rtp`] adds.
    pub(crate) const fn tag_len(&self) -> usize {
        match self.profile {
            Profile::Gcm256 | Profile::Gcm128 => GCM_TAG,
            Profile::Cm => HMAC_TAG,
        }
    }

    /// Encrypts the packet that begins at `from` after its header and appends the tag. `index` is the extended
    /// sequence number: a pair of source and index must never come twice.
    pub(crate) fn seal_rtp(
        &self,
        packet: &mut Vec<u8>,
        from: usize,
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<()> {
        match &self.out.rtp {
            Cipher::Gcm { key, salt } => {
                let nonce = gcm_nonce(salt, ssrc, index);
                let (header, payload) = packet.get_mut(from..)?.split_at_mut_checked(header)?;
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload).ok()?;
                packet.extend_from_slice(tag.as_ref());
            }
            Cipher::CounterMode(cipher) => {
                let CounterMode { key, salt, auth } = &**cipher;
                counter_mode(key, salt, ssrc, index, packet.get_mut(from + header..)?)?;
                let tag = rtp_tag(auth, packet.get(from..)?, index);
                packet.extend_from_slice(&tag.as_ref()[..HMAC_TAG]);
            }
        }
        Some(())
    }

    /// Decrypts a packet's payload into `out`, which must be as long: the packet less its header and
    /// [`Srtp::tag_len`]. `None` if it is not authentic; `out` is then unspecified.
    pub(crate) fn open_rtp(
        &self,
        packet: &[u8],
        header: usize,
        ssrc: u32,
        index: u64,
        out: &mut [u8],
    ) -> Option<()> {
        let (sealed, tag) = packet.split_at_checked(packet.len().checked_sub(self.tag_len())?)?;
        let (head, payload) = sealed.split_at_checked(header)?;
        if out.len() != payload.len() {
            return None;
        }
        match &self.inward.rtp {
            Cipher::Gcm { key, salt } => {
                let nonce = gcm_nonce(salt, ssrc, index);
                key.open_separate_gather(nonce, Aad::from(head), payload, tag, out).ok()
            }
            Cipher::CounterMode(cipher) => {
                let CounterMode { key, salt, auth } = &**cipher;
                let expected = rtp_tag(auth, sealed, index);
                aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..HMAC_TAG], tag)
                    .ok()?;
                out.copy_from_slice(payload);
                counter_mode(key, salt, ssrc, index, out)
            }
        }
    }

    /// Encrypts the compound packet that begins at `from`, and appends tag and index.
    pub(crate) fn seal_rtcp(&mut self, packet: &mut Vec<u8>, from: usize) -> Option<()> {
        let index = self.rtcp_index;
        // Two thousand million reports; an index must not come twice.
        if index & ENCRYPTED != 0 {
            return None;
        }
        self.rtcp_index = index + 1;
        let word = (ENCRYPTED | index).to_be_bytes();
        let (header, payload) = packet.get_mut(from..)?.split_at_mut_checked(RTCP_HEADER)?;
        let ssrc = ssrc_of(header)?;
        match &self.out.rtcp {
            Cipher::Gcm { key, salt } => {
                let aad = rtcp_aad(header, word)?;
                let nonce = gcm_nonce(salt, ssrc, index.into());
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), payload).ok()?;
                packet.extend_from_slice(tag.as_ref());
                packet.extend_from_slice(&word);
            }
            Cipher::CounterMode(cipher) => {
                let CounterMode { key, salt, auth } = &**cipher;
                counter_mode(key, salt, ssrc, index.into(), payload)?;
                packet.extend_from_slice(&word);
                let tag = hmac::sign(auth, packet.get(from..)?);
                packet.extend_from_slice(&tag.as_ref()[..HMAC_TAG]);
            }
        }
        Some(())
    }

    /// Decrypts a compound packet into `out`; `None` if it is not authentic, or a repeat.
    pub(crate) fn open_rtcp<'a>(&mut self, packet: &[u8], out: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        out.clear();
        let index = match &self.inward.rtcp {
            Cipher::Gcm { key, salt } => {
                let (sealed, word) = packet.split_last_chunk::<4>()?;
                let (header, sealed) = sealed.split_at_checked(RTCP_HEADER)?;
                let (payload, tag) = sealed.split_at_checked(sealed.len().checked_sub(GCM_TAG)?)?;
                let index = encrypted_index(*word)?;
                out.extend_from_slice(header);
                out.resize(RTCP_HEADER + payload.len(), 0);
                let nonce = gcm_nonce(salt, ssrc_of(header)?, index.into());
                let aad = rtcp_aad(header, *word)?;
                key.open_separate_gather(nonce, Aad::from(aad), payload, tag, &mut out[RTCP_HEADER..])
                    .ok()?;
                index
            }
            Cipher::CounterMode(cipher) => {
                let CounterMode { key, salt, auth } = &**cipher;
                let (signed, tag) = packet.split_at_checked(packet.len().checked_sub(HMAC_TAG)?)?;
                let expected = hmac::sign(auth, signed);
                aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..HMAC_TAG], tag)
                    .ok()?;
                let (sealed, word) = signed.split_last_chunk::<4>()?;
                let index = encrypted_index(*word)?;
                out.extend_from_slice(sealed);
                let (header, payload) = out.split_at_mut_checked(RTCP_HEADER)?;
                counter_mode(key, salt, ssrc_of(header)?, index.into(), payload)?;
                index
            }
        };
        let seen = self.seen_of(ssrc_of(out.get(..RTCP_HEADER)?)?)?;
        if !seen.is_new(index.into()) {
            return None;
        }
        seen.saw(index.into());
        Some(out)
    }

    /// The reports that came from a source. For one source too many, the one known for longest is forgotten.
    fn seen_of(&mut self, ssrc: u32) -> Option<&mut Window> {
        if let Some(known) = self.rtcp_seen.iter().position(|(source, _)| *source == ssrc) {
            return self.rtcp_seen.get_mut(known).map(|(_, seen)| seen);
        }
        if self.rtcp_seen.len() >= REPORTING_SOURCES {
            self.rtcp_seen.remove(0);
        }
        self.rtcp_seen.push((ssrc, Window::default()));
        self.rtcp_seen.last_mut().map(|(_, seen)| seen)
    }
}

fn encrypted_index(word: [u8; 4]) -> Option<u32> {
    let word = u32::from_be_bytes(word);
    (word & ENCRYPTED != 0).then_some(word & !ENCRYPTED)
}

fn ssrc_of(rtcp_header: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*rtcp_header.last_chunk::<4>()?))
}

/// What is authenticated of SRTCP beside the ciphertext (RFC 7714 §9.2).
fn rtcp_aad(header: &[u8], word: [u8; 4]) -> Option<[u8; RTCP_HEADER + 4]> {
    let mut aad = [0; RTCP_HEADER + 4];
    let (first, last) = aad.split_at_mut(RTCP_HEADER);
    first.copy_from_slice(header.get(..RTCP_HEADER)?);
    last.copy_from_slice(&word);
    Some(aad)
}

/// RFC 7714 §8.1 and §9.1: both indexes end the vector.
fn gcm_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let mut iv = [0; 12];
    iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
    iv[6..].copy_from_slice(&index.to_be_bytes()[2..]);
    for (byte, salt) in iv.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    Nonce::assume_unique_for_key(iv)
}

/// RFC 3711 §4.1.1.
fn counter_mode(key: &EncryptingKey, salt: &[u8; 14], ssrc: u32, index: u64, bytes: &mut [u8]) -> Option<()> {
    let mut iv = [0; 16];
    iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
    iv[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
    for (byte, salt) in iv.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    key.less_safe_encrypt(bytes, EncryptionContext::Iv128(FixedLength::from(iv))).ok()?;
    Some(())
}

/// RFC 3711 §4.2: over the packet and the rollover counter.
fn rtp_tag(key: &hmac::Key, packet: &[u8], index: u64) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(packet);
    context.update(&((index >> 16) as u32).to_be_bytes());
    context.sign()
}

impl Direction {
    fn derive(profile: Profile, master: &[u8], salt: &[u8]) -> Option<Self> {
        Some(Self {
            rtp: Cipher::derive(profile, master, salt, 0)?,
            rtcp: Cipher::derive(profile, master, salt, 3)?,
        })
    }
}

impl Cipher {
    /// Session keys (RFC 3711 §4.3.1): labels 0 to 2 for RTP, 3 to 5 for RTCP, for key, authentication and salt.
    fn derive(profile: Profile, master: &[u8], salt: &[u8], label: u8) -> Option<Self> {
        let mut key = [0; 32];
        let key = key.get_mut(..master.len())?;
        keystream(master, salt, label, key)?;
        let gcm = |algorithm| -> Option<Self> {
            let mut session_salt = [0; 12];
            keystream(master, salt, label + 2, &mut session_salt)?;
            let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
            Some(Self::Gcm { key, salt: session_salt })
        };
        match profile {
            Profile::Gcm256 => gcm(&AES_256_GCM),
            Profile::Gcm128 => gcm(&AES_128_GCM),
            Profile::Cm => {
                let (mut auth, mut session_salt) = ([0; HMAC_KEY], [0; 14]);
                keystream(master, salt, label + 1, &mut auth)?;
                keystream(master, salt, label + 2, &mut session_salt)?;
                let key = EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, key).ok()?).ok()?;
                let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth);
                Some(Self::CounterMode(Box::new(CounterMode { key, salt: session_salt, auth })))
            }
        }
    }
}

/// AES counter mode over zeros, from the label (RFC 3711 §4.1.1, §4.3; RFC 7714 §11 for the short salt).
fn keystream(master: &[u8], salt: &[u8], label: u8, out: &mut [u8]) -> Option<()> {
    let algorithm = if master.len() == 16 { &AES_128 } else { &AES_256 };
    let mut iv = [0; 16];
    iv.get_mut(..salt.len())?.copy_from_slice(salt);
    iv[7] ^= label;
    let key = EncryptingKey::ctr(UnboundCipherKey::new(algorithm, master).ok()?).ok()?;
    key.less_safe_encrypt(out, EncryptionContext::Iv128(FixedLength::from(iv))).ok()?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    fn material(profile: Profile) -> Vec<u8> {
        let (key, salt) = sizes(profile);
        (0..2 * (key + salt)).map(|n| n as u8).collect()
    }

    fn pair(profile: Profile) -> (Srtp, Srtp) {
        let material = material(profile);
        (Srtp::new(profile, &material, true).unwrap(), Srtp::new(profile, &material, false).unwrap())
    }

    #[test]
    fn session_keys_as_in_rfc_3711_appendix_b3() {
        let (master, salt) = (hex("E1F97A0D3E018BE0D64FA32C06DE4139"), hex("0EC675AD498AFEEBB6960B3AABE6"));
        let derive = |label, len| {
            let mut out = vec![0; len];
            keystream(&master, &salt, label, &mut out).unwrap();
            out
        };
        assert_eq!(derive(0, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derive(2, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(derive(1, 20), hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }

    #[test]
    fn counter_mode_as_in_rfc_3711_appendix_b2() {
        let key = UnboundCipherKey::new(&AES_128, &hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
        let key = EncryptingKey::ctr(key).unwrap();
        let salt = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap();
        let mut out = [0; 32];
        counter_mode(&key, &salt, 0, 0, &mut out).unwrap();
        assert_eq!(out.to_vec(), hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB"));
    }

    #[test]
    fn gcm_as_in_rfc_7714_section_16() {
        for (key, algorithm, profile, sealed) in [
            (
                "000102030405060708090a0b0c0d0e0f",
                &AES_128_GCM,
                Profile::Gcm128,
                "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a
                 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
            ),
            (
                "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                &AES_256_GCM,
                Profile::Gcm256,
                "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02
                 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
            ),
        ] {
            let cipher = || Cipher::Gcm {
                key: LessSafeKey::new(UnboundKey::new(algorithm, &hex(key)).unwrap()),
                salt: hex("517569642070726f2071756f").try_into().unwrap(),
            };
            let direction = || Direction { rtp: cipher(), rtcp: cipher() };
            let (out, inward) = (direction(), direction());
            let srtp = Srtp { profile, out, inward, rtcp_index: 1, rtcp_seen: Vec::new() };
            let plain = hex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
                             69736120 696e2070 61727465 73207472 6573");
            let mut packet = plain.clone();
            srtp.seal_rtp(&mut packet, 0, 12, 0x5501_a0b2, 0xf17b).unwrap();
            assert_eq!(packet, hex(sealed));
            let mut opened = vec![0; plain.len() - 12];
            srtp.open_rtp(&packet, 12, 0x5501_a0b2, 0xf17b, &mut opened).unwrap();
            assert_eq!(opened, plain[12..]);
        }
    }

    #[test]
    fn what_is_sealed_opens_and_what_was_changed_does_not() {
        for profile in [Profile::Gcm256, Profile::Gcm128, Profile::Cm] {
            let (client, server) = pair(profile);
            let plain = hex("80e00001 00000002 00000007 0102030405060708");
            let mut packet = plain.clone();
            client.seal_rtp(&mut packet, 0, 12, 7, 65_537).unwrap();
            assert_eq!(packet.len(), plain.len() + client.tag_len());
            let open = |packet: &[u8], index| {
                let mut out = [0; 8];
                server.open_rtp(packet, 12, 7, index, &mut out).map(|()| out)
            };
            assert_eq!(open(&packet, 65_537).unwrap(), plain[12..]);
            assert_eq!(open(&packet, 1), None, "another turn of the numbers");
            for n in 0..packet.len() {
                let mut changed = packet.clone();
                changed[n] ^= 1;
                assert_eq!(open(&changed, 65_537), None, "{profile:?} byte {n}");
            }
            assert!(Srtp::new(profile, &material(profile)[1..], true).is_none());
        }
    }

    #[test]
    fn a_report_opens_once() {
        for profile in [Profile::Gcm256, Profile::Gcm128, Profile::Cm] {
            let (mut client, mut server) = pair(profile);
            let report = hex("80c80001 00000007 0102030405060708");
            let mut packet = vec![9; 3];
            packet.extend_from_slice(&report);
            client.seal_rtcp(&mut packet, 3).unwrap();
            let packet = &packet[3..];
            assert!(packet.len() <= report.len() + GCM_TAG + 4);
            let mut out = Vec::new();
            for n in 0..packet.len() {
                let mut changed = packet.to_vec();
                changed[n] ^= 1;
                assert_eq!(server.open_rtcp(&changed, &mut out), None, "{profile:?} byte {n}");
            }
            assert_eq!(server.open_rtcp(packet, &mut out), Some(report.as_slice()));
            assert_eq!(server.open_rtcp(packet, &mut out), None, "a repeat");
            // Another source of the same client has a count of its own, as libsrtp keeps it.
            let other = hex("80c80001 00000008 0102030405060708");
            let mut packet = other.clone();
            pair(profile).0.seal_rtcp(&mut packet, 0).unwrap();
            assert_eq!(server.open_rtcp(&packet, &mut out), Some(other.as_slice()));
        }
    }

    #[test]
    fn so_many_sources_report_and_no_more_are_remembered() {
        let (_, mut server) = pair(Profile::Gcm256);
        for ssrc in 0..=REPORTING_SOURCES as u32 {
            server.seen_of(ssrc).unwrap().saw(5);
        }
        assert_eq!(server.rtcp_seen.len(), REPORTING_SOURCES);
        assert!(!server.seen_of(REPORTING_SOURCES as u32).unwrap().is_new(5));
        assert!(server.seen_of(0).unwrap().is_new(5), "the first was forgotten");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, header in 0_usize..100) {
            for profile in [Profile::Gcm256, Profile::Cm] {
                let (mut ours, _) = pair(profile);
                let mut out = vec![0; bytes.len().saturating_sub(header + ours.tag_len())];
                prop_assert!(ours.open_rtp(&bytes, header, 1, 1, &mut out).is_none());
                prop_assert!(ours.open_rtcp(&bytes, &mut out).is_none());
            }
        }
    }
}
