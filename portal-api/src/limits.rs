//! Every limit of this crate, and what happens beyond it.

use std::time::Duration;

/// Largest body of a link exchange, bytes: it holds 22 characters. Larger ones are refused with 413.
pub const MAX_EXCHANGE_BYTES: usize = 1_024;

/// Time a link exchange may take, its body's arrival included. Beyond it: 408.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most waiting rooms of one answer; more are refused with 400, and found on the next page.
pub const ROOMS_PAGE: usize = 50;

/// How long counting a unit's visits may take. Beyond it the answer says that nobody knows now.
pub const CENSUS_WITHIN: Duration = Duration::from_secs(3);

/// Largest body of a change to a unit's settings, bytes: a name, a time zone and a language. Larger ones are refused with 413.
pub const MAX_SETTINGS_BYTES: usize = 4 * 1_024;

/// Time such a request may take, its body's arrival included. Beyond it: 408.
pub const SETTINGS_TIMEOUT: Duration = Duration::from_secs(15);

/// Builds whose assets are served, the running one included. A tab that was open before a deploy still
/// finds the code it has not loaded yet.
pub const KEPT_BUILDS: usize = 2;

/// Most assets of one build. More is no build of ours; it is not kept.
pub const MAX_ASSETS: usize = 2_000;

/// Largest body of a GraphQL request, bytes. Larger ones are refused with 413.
pub const MAX_GRAPHQL_BYTES: usize = 16 * 1_024;

/// Time a GraphQL request may take, its body's arrival included. Beyond it: 408.
pub const GRAPHQL_TIMEOUT: Duration = Duration::from_secs(15);

/// Levels of fields within fields. Beyond it nothing is read.
pub const MAX_GRAPHQL_DEPTH: usize = 8;

/// Fields that are answered, those of each person of a page counted. Beyond it nothing is read.
pub const MAX_GRAPHQL_COST: usize = 1_050;

/// Directives on one field. Beyond it nothing is read.
pub const MAX_GRAPHQL_DIRECTIVES: usize = 4;

/// Fields that are written in a query, in all its operations and fragments. Beyond it: 422.
pub const MAX_GRAPHQL_FIELDS: usize = 200;

/// Fields under another name, with which the same could be asked again and again. Beyond it: 422.
pub const MAX_GRAPHQL_ALIASES: usize = 10;
