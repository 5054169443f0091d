//! Identity as browsers meet it, on a real router over a store in memory.

mod browser;
mod joining;
mod managing;
mod signing_in;
