//! What a person types, as an FTS5 expression that is always well-formed.

/// Longer input is refused by the search route; more terms than this add nothing to a ranking.
const MAX_TERMS: usize = 32;

/// How the terms are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Every term must occur.
    All,
    /// Any term may occur: the second try, when no note has them all.
    Any,
}

impl Join {
    /// Words with a sign in them, such as `sour-dough`, are looked for as they stand first, then in their parts.
    fn parts(self, c: char) -> bool {
        match self {
            Self::All => c.is_whitespace() || c.is_control(),
            // Combining accents belong to their letters.
            Self::Any => !c.is_alphanumeric() && !('\u{300}'..='\u{36f}').contains(&c),
        }
    }
}

/// Quotes every word, so that `AND`, `(`, `"`, `*`, `col:` and the like are text, never syntax.
///
/// `None` when there is nothing to look for: no word holds a letter or a digit.
pub fn fts_expression(typed: &str, join: Join) -> Option<String> {
    let terms: Vec<String> = typed
        .split(|c: char| join.parts(c))
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(MAX_TERMS)
        .map(|word| format!("\"{}\"", word.replace('"', "\"\"")))
        .collect();
    let joined = terms.join(match join {
        Join::All => " AND ",
        Join::Any => " OR ",
    });
    (!joined.is_empty()).then_some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_quoted_and_pure_punctuation_is_dropped() {
        assert_eq!(fts_expression("\"foo AND (", Join::All).unwrap(), "\"\"\"foo\" AND \"AND\"");
        assert_eq!(fts_expression("a* OR", Join::Any).unwrap(), "\"a\" OR \"OR\"");
        assert_eq!(fts_expression("title:sour-dough", Join::All).unwrap(), "\"title:sour-dough\"");
        assert_eq!(fts_expression("NEAR(cre\u{301}me", Join::Any).unwrap(), "\"NEAR\" OR \"cre\u{301}me\"");
        assert_eq!(fts_expression(" ( \" * ", Join::All), None);
    }

    proptest! {
        #[test]
        fn no_typed_text_is_ever_a_syntax_error(typed in any::<String>()) {
            let db = rusqlite::Connection::open_in_memory().unwrap();
            db.execute_batch("CREATE VIRTUAL TABLE t USING fts5(title, body)").unwrap();
            for join in [Join::All, Join::Any] {
                if let Some(expression) = fts_expression(&typed, join) {
                    let found: i64 = db
                        .query_row("SELECT count(*) FROM t WHERE t MATCH ?1", [&expression], |row| row.get(0))
                        .unwrap();
                    prop_assert_eq!(found, 0);
                }
            }
        }
    }
}
