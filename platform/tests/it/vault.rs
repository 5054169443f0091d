//! PHI at rest, over real files.

mod cost;
mod keyring;
mod kms;
mod rig;
mod sealing;
mod shredding;
mod tampering;
