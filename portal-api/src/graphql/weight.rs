//! What can be said of a query without carrying it out: that it can be read, and how much of it is said over again.

use super::TOO_COSTLY;
use crate::limits::{MAX_GRAPHQL_ALIASES, MAX_GRAPHQL_FIELDS};
use async_graphql::{
    Positioned,
    parser::{
        parse_query,
        types::{Selection, SelectionSet},
    },
};
use platform::problem::{self, Problem};

/// Refuses what is none, and what repeats itself.
///
/// # Errors
/// 400, or 422 `query-too-costly`.
pub(super) fn check(query: &str) -> Result<(), Problem> {
    let parsed = parse_query(query)
        .map_err(|_| Problem::new(problem::BAD_REQUEST).detail("query: this is not GraphQL."))?;
    let mut weight = Weight::default();
    let operations = parsed.operations.iter().map(|(_, one)| &one.node.selection_set);
    let fragments = parsed.fragments.values().map(|one| &one.node.selection_set);
    for selections in operations.chain(fragments) {
        weight.add(selections);
    }
    let Weight { aliases, fields } = weight;
    if aliases > MAX_GRAPHQL_ALIASES || fields > MAX_GRAPHQL_FIELDS {
        let most = format!("At most {MAX_GRAPHQL_FIELDS} fields and {MAX_GRAPHQL_ALIASES} aliases.");
        return Err(Problem::new(TOO_COSTLY).detail(most));
    }
    Ok(())
}

#[derive(Default)]
struct Weight {
    aliases: usize,
    fields: usize,
}

impl Weight {
    /// The parser refuses what is nested deeper than it can follow, so this ends.
    fn add(&mut self, selections: &Positioned<SelectionSet>) {
        for selection in &selections.node.items {
            match &selection.node {
                Selection::Field(field) => {
                    self.fields += 1;
                    self.aliases += usize::from(field.node.alias.is_some());
                    self.add(&field.node.selection_set);
                }
                Selection::InlineFragment(fragment) => self.add(&fragment.node.selection_set),
                // Counted where it is written; what it costs where it is used, the schema's limits say.
                Selection::FragmentSpread(_) => self.fields += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(query: &str) -> u16 {
        check(query).map_or_else(|problem| problem.kind().status().as_u16(), |()| 200)
    }

    #[test]
    fn so_many_aliases_and_fields_and_no_more() {
        let aliases = |n| (0..n).map(|n| format!("a{n}: me {{ recoveryCodesLeft }} ")).collect::<String>();
        assert_eq!(status(&format!("{{ {} }}", aliases(MAX_GRAPHQL_ALIASES))), 200);
        assert_eq!(status(&format!("{{ {} }}", aliases(MAX_GRAPHQL_ALIASES + 1))), 422);
        let fields = |n: usize| format!("{{ me {{ {} }} }}", "recoveryCodesLeft ".repeat(n - 1));
        assert_eq!(status(&fields(MAX_GRAPHQL_FIELDS)), 200);
        assert_eq!(status(&fields(MAX_GRAPHQL_FIELDS + 1)), 422);
        let hidden = format!("{{ ...f }} fragment f on Query {{ {} }}", aliases(MAX_GRAPHQL_ALIASES + 1));
        assert_eq!(status(&hidden), 422);
        for nothing in ["", "{", "me", "{ me", "\u{0}"] {
            assert_eq!(status(nothing), 400, "{nothing}");
        }
        assert_eq!(status(&"{ a ".repeat(4_000)), 400, "deeper than the parser follows");
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in ".{0,300}") {
            let _ = check(&text);
        }

        #[test]
        fn any_text_of_its_letters_is_judged(text in "[{}()\\[\\]a-c:.@$!\"# \\n]{0,300}") {
            let _ = check(&text);
        }
    }
}
