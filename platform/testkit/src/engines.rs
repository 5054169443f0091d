//! Real servers, started here and ended with the test.

pub mod postgres;

pub use postgres::Postgres;
