//! Ciphertexts that stand where they were not sealed.
