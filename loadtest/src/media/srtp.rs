//! SRTP and SRTCP with AES-256-GCM (RFC 3711, RFC 7714), for media that does not pass through the engine.
//!
//! The engine does the handshake and tells the keying material; this does the packets, in place and
//! without allocating.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey},
    iv::FixedLength,
};

/// The E flag of an SRTCP index word: encrypted (RFC 3711 §3.4).
const ENCRYPTED: u32 = 1 << 31;

/// Fixed part of an RTCP header with its first SSRC: authenticated, not encrypted.
const RTCP_HEADER: usize = 8;

const KEY: usize = 32;
const SALT: usize = 12;

/// Makes a packet ready for the network.
pub(super) trait Seal {
    /// Encrypts what follows the header and appends the tag. `index` is the extended sequence number.
    fn rtp(&self, packet: &mut Vec<u8>, from: usize, header: usize, ssrc: u32, index: u64) -> Option<()>;
}

impl Seal for Srtp {
    fn rtp(&self, packet: &mut Vec<u8>, from: usize, header: usize, ssrc: u32, index: u64) -> Option<()> {
        self.protect_rtp(packet, from, header, ssrc, index)
    }
}

/// Both directions of one session.
#[derive(Debug)]
pub(super) struct Srtp {
    out: Direction,
    inward: Direction,
    /// Index of the next SRTCP packet out.
    rtcp_index: u32,
}

#[derive(Debug)]
struct Direction {
    rtp: Cipher,
    rtcp: Cipher,
}

#[derive(Debug)]
struct Cipher {
    key: LessSafeKey,
    salt: [u8; SALT],
}

impl Srtp {
    /// From what DTLS exported (RFC 5764 §4.2): client key, server key, client salt, server salt.
    /// `client` says whether we were the DTLS client.
    pub(super) fn new(material: &[u8], client: bool) -> Option<Self> {
        let (keys, salts) = material.split_at_checked(2 * KEY)?;
        let (of_client, of_server) = keys.split_at(KEY);
        let (salt_of_client, salt_of_server) = salts.get(..2 * SALT)?.split_at(SALT);
        let theirs = Direction::derive(of_server, salt_of_server)?;
        let ours = Direction::derive(of_client, salt_of_client)?;
        let (out, inward) = if client { (ours, theirs) } else { (theirs, ours) };
        Some(Self { out, inward, rtcp_index: 1 })
    }

    /// Encrypts what follows the header and appends the tag. `index` is the extended sequence number.
    pub(super) fn protect_rtp(
        &self,
        packet: &mut Vec<u8>,
        from: usize,
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<()> {
        let nonce = self.out.rtp.rtp_nonce(ssrc, index);
        let (header, payload) = packet.get_mut(from..)?.split_at_mut_checked(header)?;
        let tag = self.out.rtp.key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload).ok()?;
        packet.extend_from_slice(tag.as_ref());
        Some(())
    }

    /// Decrypts in place; the payload, or `None` if it is not authentic.
    pub(super) fn open_rtp<'a>(
        &self,
        packet: &'a mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<&'a [u8]> {
        let nonce = self.inward.rtp.rtp_nonce(ssrc, index);
        let (header, sealed) = packet.split_at_mut_checked(header)?;
        let plain = self.inward.rtp.key.open_in_place(nonce, Aad::from(&*header), sealed).ok()?;
        Some(plain)
    }

    /// Encrypts the compound packet that begins at `from`, and appends tag and index.
    pub(super) fn protect_rtcp(&mut self, packet: &mut Vec<u8>, from: usize) -> Option<()> {
        let index = self.rtcp_index;
        self.rtcp_index = (index + 1) & !ENCRYPTED;
        let word = (ENCRYPTED | index).to_be_bytes();
        let (header, payload) = packet.get_mut(from..)?.split_at_mut_checked(RTCP_HEADER)?;
        let aad = rtcp_aad(header, word)?;
        let nonce = self.out.rtcp.rtcp_nonce(ssrc_of(header)?, index);
        let tag = self.out.rtcp.key.seal_in_place_separate_tag(nonce, Aad::from(aad), payload).ok()?;
        packet.extend_from_slice(tag.as_ref());
        packet.extend_from_slice(&word);
        Some(())
    }

    /// Decrypts in place; the compound packet without its trailer.
    pub(super) fn open_rtcp<'a>(&self, packet: &'a mut [u8]) -> Option<&'a [u8]> {
        let (sealed, word) = packet.split_last_chunk_mut::<4>()?;
        let word = u32::from_be_bytes(*word);
        if word & ENCRYPTED == 0 {
            return None;
        }
        let (header, payload) = sealed.split_at_mut_checked(RTCP_HEADER)?;
        let aad = rtcp_aad(header, word.to_be_bytes())?;
        let nonce = self.inward.rtcp.rtcp_nonce(ssrc_of(header)?, word & !ENCRYPTED);
        let plain = self.inward.rtcp.key.open_in_place(nonce, Aad::from(aad), payload).ok()?.len();
        packet.get(..RTCP_HEADER + plain)
    }
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

impl Direction {
    fn derive(master: &[u8], salt: &[u8]) -> Option<Self> {
        Some(Self { rtp: Cipher::derive(master, salt, 0)?, rtcp: Cipher::derive(master, salt, 3)? })
    }
}

impl Cipher {
    /// Session key and salt (RFC 3711 §4.3.1): labels 0 and 2 for RTP, 3 and 5 for RTCP.
    fn derive(master: &[u8], salt: &[u8], label: u8) -> Option<Self> {
        let mut key = [0; KEY];
        let mut session_salt = [0; SALT];
        keystream(master, salt, label, &mut key)?;
        keystream(master, salt, label + 2, &mut session_salt)?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).ok()?);
        Some(Self { key, salt: session_salt })
    }

    /// RFC 7714 §8.1.
    fn rtp_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut iv = [0; SALT];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[6..].copy_from_slice(&index.to_be_bytes()[2..]);
        self.nonce(iv)
    }

    /// RFC 7714 §9.1.
    fn rtcp_nonce(&self, ssrc: u32, index: u32) -> Nonce {
        let mut iv = [0; SALT];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[8..].copy_from_slice(&index.to_be_bytes());
        self.nonce(iv)
    }

    fn nonce(&self, mut iv: [u8; SALT]) -> Nonce {
        for (byte, salt) in iv.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        Nonce::assume_unique_for_key(iv)
    }
}

/// AES-256 counter mode over zeros, from the label (RFC 3711 §4.1.1, §4.3; RFC 7714 §11 for the short salt).
fn keystream(master: &[u8], salt: &[u8], label: u8, out: &mut [u8]) -> Option<()> {
    let mut iv = [0; 16];
    iv.get_mut(..salt.len())?.copy_from_slice(salt);
    iv[7] ^= label;
    let key = EncryptingKey::ctr(UnboundCipherKey::new(&AES_256, master).ok()?).ok()?;
    key.less_safe_encrypt(out, EncryptionContext::Iv128(FixedLength::from(iv))).ok()?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn cipher(key: &str, salt: &str) -> Cipher {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &hex(key)).unwrap());
        Cipher { key, salt: hex(salt).try_into().unwrap() }
    }

    fn session(key: &str, salt: &str) -> Srtp {
        let direction = || Direction { rtp: cipher(key, salt), rtcp: cipher(key, salt) };
        Srtp { out: direction(), inward: direction(), rtcp_index: 0x5d4 }
    }

    const KEY_OF_RFC: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const SALT_OF_RFC: &str = "517569642070726f2071756f";

    #[test]
    fn rtp_as_in_rfc_7714_section_16_2_1() {
        let srtp = session(KEY_OF_RFC, SALT_OF_RFC);
        let plain = hex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
                         69736120 696e2070 61727465 73207472 6573");
        let sealed = hex("8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
                          9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7
                          6c13");
        let mut packet = plain.clone();
        srtp.protect_rtp(&mut packet, 0, 12, 0x5501_a0b2, 0xf17b).unwrap();
        assert_eq!(packet, sealed);
        assert_eq!(srtp.open_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b), Some(&plain[12..]));
    }

    #[test]
    fn what_is_protected_opens_and_what_was_changed_does_not() {
        let material: Vec<u8> = (0..88).collect();
        let mut client = Srtp::new(&material, true).unwrap();
        let server = Srtp::new(&material, false).unwrap();
        let report = hex("80c80001 00000007 0102030405060708");
        let mut packet = report.clone();
        client.protect_rtcp(&mut packet, 0).unwrap();
        assert_eq!(packet.len(), report.len() + 16 + 4);
        assert_eq!(server.open_rtcp(&mut packet.clone()), Some(report.as_slice()));
        for n in 0..packet.len() {
            let mut changed = packet.clone();
            changed[n] ^= 1;
            assert_eq!(server.open_rtcp(&mut changed), None, "byte {n}");
        }
        assert!(Srtp::new(&material[..87], true).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(mut bytes: Vec<u8>, header in 0_usize..100) {
            let srtp = session(KEY_OF_RFC, SALT_OF_RFC);
            prop_assert!(srtp.open_rtp(&mut bytes.clone(), header, 1, 1).is_none());
            prop_assert!(srtp.open_rtcp(&mut bytes).is_none());
        }
    }
}
