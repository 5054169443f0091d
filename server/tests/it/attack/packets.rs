//! What somebody without keys can send.

/// Repeatable noise (xorshift64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// A binding request (RFC 8489) with this user name; with a MESSAGE-INTEGRITY of noise, or none.
pub(crate) fn stun(username: &str, signed: bool, random: &mut Random) -> Vec<u8> {
    let mut body = Vec::new();
    let mut attribute = |kind: u16, value: &[u8]| {
        body.extend_from_slice(&kind.to_be_bytes());
        body.extend_from_slice(&(value.len() as u16).to_be_bytes());
        body.extend_from_slice(value);
        body.resize(body.len().next_multiple_of(4), 0);
    };
    if !username.is_empty() {
        attribute(0x0006, username.as_bytes());
    }
    attribute(0x0024, &[0x6e, 0, 0, 0xff]);
    attribute(0x802a, &random.bytes(8));
    attribute(0x0025, &[]);
    if signed {
        attribute(0x0008, &random.bytes(20));
    }
    let mut message = vec![0, 1];
    message.extend_from_slice(&(body.len() as u16).to_be_bytes());
    message.extend_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
    message.extend_from_slice(&random.bytes(12));
    message.extend_from_slice(&body);
    message
}

/// A record of DTLS 1.2 (RFC 6347 §4.1).
fn record(kind: u8, epoch: u16, seq: u64, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 254, 253];
    out.extend_from_slice(&epoch.to_be_bytes());
    out.extend_from_slice(&seq.to_be_bytes()[2..]);
    out.extend_from_slice(&(body.len() as u16).to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// A ClientHello that offers these ciphers, and SRTP. Whole, or only the first bytes of it.
pub(crate) fn client_hello(ciphers: &[u16], fragment: Option<usize>, random: &mut Random) -> Vec<u8> {
    let mut body = vec![254, 253];
    body.extend_from_slice(&random.bytes(32));
    body.extend_from_slice(&[0, 0]);
    body.extend_from_slice(&(2 * ciphers.len() as u16).to_be_bytes());
    ciphers.iter().for_each(|cipher| body.extend_from_slice(&cipher.to_be_bytes()));
    body.extend_from_slice(&[1, 0]);
    let extensions: [&[u8]; 4] = [
        // Curves: P-256, X25519. Point formats. Signatures: ECDSA with SHA-256. SRTP: AEAD AES-128-GCM.
        &[0, 10, 0, 6, 0, 4, 0, 23, 0, 29],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 4, 0, 2, 4, 3],
        &[0, 14, 0, 5, 0, 2, 0, 7, 0],
    ];
    let extensions = extensions.concat();
    body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
    body.extend_from_slice(&extensions);
    let sent = &body[..fragment.unwrap_or(body.len()).min(body.len())];
    let triple = |n: usize| [(n >> 16) as u8, (n >> 8) as u8, n as u8];
    let mut handshake = vec![1];
    handshake.extend_from_slice(&triple(body.len()));
    handshake.extend_from_slice(&[0, 0, 0, 0, 0]);
    handshake.extend_from_slice(&triple(sent.len()));
    handshake.extend_from_slice(sent);
    record(22, 0, random.next() & 0xffff, &handshake)
}

/// ECDHE-ECDSA with AES-128-GCM, as WebRTC wants it; and no encryption at all.
pub(crate) const GOOD: [u16; 1] = [0xc02b];
pub(crate) const NULL: [u16; 3] = [0x0000, 0x0001, 0xc006];

/// One of every kind of ClientHello that the race is run with.
pub(crate) fn hellos(random: &mut Random) -> Vec<Vec<u8>> {
    vec![
        client_hello(&GOOD, None, random),
        client_hello(&NULL, None, random),
        client_hello(&GOOD, Some(20), random),
        client_hello(&[], None, random),
    ]
}

/// Media, reports and DTLS that are broken in every way that needs no key. Of a session's own address, each of them
/// gets as far as its decryption.
pub(crate) fn malformed(genuine: &[Vec<u8>], random: &mut Random) -> Vec<Vec<u8>> {
    let mut all = vec![
        vec![0x80],
        vec![0x80, 111, 0, 1],
        // As many contributing sources as can be said, and none there; an extension longer than the packet.
        [vec![0x8f, 111, 0, 1], vec![0; 8]].concat(),
        [vec![0x90, 111, 0, 1], vec![0; 8], vec![0xbe, 0xde, 0xff, 0xff]].concat(),
        // Padding of more than there is; another version.
        [vec![0xa0, 111, 0, 1], vec![0xff; 30]].concat(),
        [vec![0x40, 111, 0, 1], vec![0; 30]].concat(),
        // Reports: no index, a length beyond the packet, a BYE, a keyframe request in the clear.
        vec![0x80, 200, 0, 0],
        [vec![0x9f, 201, 0xff, 0xff], vec![1; 40]].concat(),
        [vec![0x81, 203, 0, 1], vec![0; 4]].concat(),
        [vec![0x81, 206, 0, 2], vec![0; 28], vec![0x80, 0, 0, 1]].concat(),
        // DTLS: alerts in the clear, data (SCTP) that does not decrypt, lengths that lie, an epoch to come.
        record(21, 0, 1, &[2, 40]),
        record(21, 0, 2, &[1, 0]),
        record(23, 1, 3, &random.bytes(60)),
        record(23, 9, 4, &random.bytes(60)),
        record(22, 0, 5, &[1, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff]),
        [vec![23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0xff, 0xff], vec![0; 20]].concat(),
        record(99, 0, 6, &random.bytes(20)),
        // STUN: a length that lies, and attributes without end.
        [vec![0, 1, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42], vec![0; 12]].concat(),
        [vec![0, 1, 0, 80, 0x21, 0x12, 0xa4, 0x42], vec![0; 92]].concat(),
    ];
    for packet in genuine {
        let mut turned = packet.clone();
        let at = random.below(turned.len());
        turned[at] ^= 1 << random.below(8);
        all.push(turned);
        all.push(packet[..random.below(packet.len()).max(1)].to_vec());
        all.push([packet.as_slice(), &random.bytes(8)].concat());
    }
    all
}
