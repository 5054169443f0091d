//! The two calls that the compiler cannot check: making a TUN device, and leaving a namespace. All unsafe code
//! of this crate is here.

#![expect(unsafe_code, reason = "an ioctl and unshare, each in one block with its reason")]
#![deny(unsafe_op_in_unsafe_fn)]

use rustix::{
    fd::AsFd as _,
    fs::{Mode, OFlags, open},
    ioctl::{Opcode, Updater, ioctl, opcode},
    thread::{UnshareFlags, unshare_unsafe},
};
use std::{fs::File, io};

/// `IFNAMSIZ`.
const NAME: usize = 16;

/// `TUNSETIFF`, linux/if_tun.h.
const TUNSETIFF: Opcode = opcode::write::<i32>(b'T', 202);

/// `IFF_TUN | IFF_NO_PI`: whole IP packets, nothing before them.
const FLAGS: u16 = 0x0001 | 0x1000;

/// `struct ifreq` (netdevice(7)): a name, and a union of 24 bytes of which TUNSETIFF reads two.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; NAME],
    flags: u16,
    rest: [u8; 22],
}

/// Makes a TUN device in the calling thread's network namespace; it lives as long as the file. In a name, `%d`
/// becomes the first free number. Gives the file, which does not block, and the name.
///
/// # Errors
/// There is no /dev/net/tun, the caller may not, or the name is taken.
pub(super) fn tun(name: &str) -> io::Result<(File, String)> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = open("/dev/net/tun", flags, Mode::empty())?;
    let mut request = InterfaceRequest { name: [0; NAME], flags: FLAGS, rest: [0; 22] };
    // One byte stays 0: the kernel wants an end.
    for (to, from) in request.name[..NAME - 1].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, 40 bytes on 64-bit Linux (asserted below), which
    // `request` is, laid out by C's rules, and which outlives the call.
    unsafe {
        ioctl(file.as_fd(), Updater::<TUNSETIFF, InterfaceRequest>::new(&mut request))?;
    }
    let end = request.name.iter().position(|byte| *byte == 0).unwrap_or(NAME);
    Ok((File::from(file), String::from_utf8_lossy(&request.name[..end]).into_owned()))
}

const _: () = assert!(size_of::<InterfaceRequest>() == 40);

/// Gives the calling thread namespaces of its own, or its future children, for a PID namespace.
///
/// # Errors
/// The caller may not; for a user namespace, also if it has other threads.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    debug_assert!(!flags.intersects(UnshareFlags::FILES | UnshareFlags::FS), "namespaces only");
    // SAFETY: unshare is unsafe for what it may take from under other threads: descriptors (FILES). Namespaces
    // change only what names mean to this thread from now on.
    Ok(unsafe { unshare_unsafe(flags) }?)
}
