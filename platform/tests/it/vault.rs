//! PHI at rest, over real files.

mod keyring;
mod kms;
mod rig;
mod sealing;
mod shredding;
mod tampering;
