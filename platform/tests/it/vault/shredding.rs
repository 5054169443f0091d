//! Erasing, and rotating.
