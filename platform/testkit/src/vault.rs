//! Keyrings under test: [`MemoryKeyring`], the simplest one that can be right, and [`conformance`], what every adapter must
//! do.

mod conformance;
mod memory;

pub use conformance::conformance;
pub use memory::MemoryKeyring;
