//! Environment files: lines of `NAME=value`.
//!
//! Own code, because the crates for it expand `$NAME` from *this* process's environment, and none lets that be.
//! The rules:
//! - Empty lines, and lines that begin with `#`, are skipped. `export ` before a name is allowed.
//! - A name is letters, digits and `_`, and does not begin with a digit. Of two equal names the later one counts.
//! - A bare value goes to the end of the line, or to a `#` after a blank; blanks around it are cut.
//! - In `'single quotes'` all stands for itself, over several lines too.
//! - In `"double quotes"`, over several lines too, `\n`, `\r`, `\t`, `\"`, `\\` and `\$` are what they are in most
//!   languages; any other `\` stands for itself.
//! - Nothing is expanded: `$NAME`, `${NAME}` and `` `command` `` are text.

/// What is wrong with a line. The line itself is never repeated: it may hold half of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Syntax {
    #[error("a line must be NAME=value; this one has no `=`")]
    NoEquals,
    #[error("what stands before the `=` is no name: use letters, digits and `_`, no digit first")]
    BadName,
    #[error("the quote {0} that opens here is never closed")]
    Unclosed(char),
    #[error("something follows the closing quote; put the whole value in quotes, or a blank before a `#`")]
    AfterQuote,
    #[error("a zero byte cannot be in an environment")]
    Zero,
    #[error("this is not UTF-8 text; save the file as UTF-8")]
    NotText,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    pub line: usize,
    pub syntax: Syntax,
}

/// Name and value of each line, in order.
pub fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, Fault> {
    let text = text(bytes)?;
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut vars = Vec::new();
    let mut line = 1;
    while !rest.is_empty() {
        let before = rest;
        let (first, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let shown = first.trim();
        if shown.is_empty() || shown.starts_with('#') {
            rest = after;
        } else {
            let at = |syntax| Fault { line, syntax };
            if !first.contains('=') {
                return Err(at(Syntax::NoEquals));
            }
            let (typed, assigned) = rest.split_once('=').unwrap_or_default();
            let name = name(typed).ok_or_else(|| at(Syntax::BadName))?;
            let (value, after) = value(assigned).map_err(at)?;
            vars.push((name.to_owned(), value));
            rest = after;
        }
        let taken = before.len().saturating_sub(rest.len());
        line += before.get(..taken).unwrap_or_default().matches('\n').count();
    }
    Ok(vars)
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    let line_of = |end| bytes.get(..end).unwrap_or_default().split(|b| *b == b'\n').count();
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Fault { line: line_of(e.valid_up_to()), syntax: Syntax::NotText })?;
    match bytes.iter().position(|b| *b == 0) {
        Some(at) => Err(Fault { line: line_of(at), syntax: Syntax::Zero }),
        None => Ok(text),
    }
}

fn name(typed: &str) -> Option<&str> {
    let typed = typed.trim();
    let name = match typed.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => typed,
    };
    let good = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    good.then_some(name)
}

/// A value and what follows its line.
fn value(assigned: &str) -> Result<(String, &str), Syntax> {
    let typed = assigned.trim_start_matches([' ', '\t']);
    if let Some(body) = typed.strip_prefix('\'') {
        let (value, tail) = body.split_once('\'').ok_or(Syntax::Unclosed('\''))?;
        return Ok((value.to_owned(), after_quote(tail)?));
    }
    if let Some(body) = typed.strip_prefix('"') {
        let (value, tail) = double_quoted(body).ok_or(Syntax::Unclosed('"'))?;
        return Ok((value, after_quote(tail)?));
    }
    let (line, after) = assigned.split_once('\n').unwrap_or((assigned, ""));
    let comment =
        line.match_indices('#').map(|(at, _)| at).find(|at| line.get(..*at).is_some_and(ends_blank));
    let value = comment.and_then(|at| line.get(..at)).unwrap_or(line);
    Ok((value.trim().to_owned(), after))
}

fn ends_blank(text: &str) -> bool {
    text.ends_with([' ', '\t'])
}

fn double_quoted(body: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = body.chars();
    loop {
        match rest.next()? {
            '"' => return Some((value, rest.as_str())),
            '\\' => match rest.next()? {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                c @ ('"' | '\\' | '$') => value.push(c),
                c => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
}

fn after_quote(tail: &str) -> Result<&str, Syntax> {
    let (line, after) = tail.split_once('\n').unwrap_or((tail, ""));
    let rest = line.trim();
    let comment = rest.starts_with('#') && line.starts_with([' ', '\t']);
    if rest.is_empty() || comment { Ok(after) } else { Err(Syntax::AfterQuote) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        parse(text.as_bytes()).unwrap()
    }

    fn one(text: &str) -> String {
        let vars = read(text);
        assert_eq!(vars.len(), 1, "{vars:?}");
        vars[0].1.clone()
    }

    fn fault(text: &str) -> (usize, Syntax) {
        let fault = parse(text.as_bytes()).unwrap_err();
        (fault.line, fault.syntax)
    }

    #[test]
    fn what_people_write_is_read_as_they_mean_it() {
        let text = "\u{feff}# keys\r\n\r\nexport A=1\r\n  B = two words  # said\nC=\nexported=x\nA=3";
        let expected = [("A", "1"), ("B", "two words"), ("C", ""), ("exported", "x"), ("A", "3")];
        assert_eq!(read(text), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(one("A=a#b"), "a#b");
        assert_eq!(one("A=#b"), "#b");
        assert_eq!(one("A= # nothing"), "");
        assert_eq!(one("A=base64=="), "base64==");
        assert_eq!(one("A=it's"), "it's");
        assert_eq!(one(r"A='a \n # b' # said"), r"a \n # b");
        assert_eq!(one(r#"A="a\n\"b\" \d \\ # c""#), "a\n\"b\" \\d \\ # c");
    }

    #[test]
    fn nothing_is_expanded() {
        for typed in ["A=$HOME ${HOME} `id`", "A='$HOME ${HOME} `id`'", "A=\"$HOME ${HOME} `id`\""] {
            assert_eq!(one(typed), "$HOME ${HOME} `id`");
        }
        assert_eq!(one(r#"A="\$HOME""#), "$HOME");
    }

    #[test]
    fn a_key_of_several_lines_is_one_value_and_the_lines_after_it_keep_their_numbers() {
        let pem = "-----BEGIN-----\nabc=\n-----END-----\n";
        assert_eq!(one(&format!("KEY=\"{pem}\"")), pem);
        assert_eq!(one(&format!("KEY='{pem}'\n")), pem);
        assert_eq!(fault(&format!("KEY='{pem}'\n\nnonsense")), (6, Syntax::NoEquals));
    }

    #[test]
    fn a_bad_line_is_told_by_its_number() {
        assert_eq!(fault("A=1\nB 2\n"), (2, Syntax::NoEquals));
        assert_eq!(fault("1A=1"), (1, Syntax::BadName));
        assert_eq!(fault("=1"), (1, Syntax::BadName));
        assert_eq!(fault("A B=1"), (1, Syntax::BadName));
        assert_eq!(fault("\nA='open\nB=2\n"), (2, Syntax::Unclosed('\'')));
        assert_eq!(fault("A=\"open\\\""), (1, Syntax::Unclosed('"')));
        assert_eq!(fault("A='a'b"), (1, Syntax::AfterQuote));
        assert_eq!(fault("A='a'#b"), (1, Syntax::AfterQuote));
        assert_eq!(fault("A=1\nB=\0"), (2, Syntax::Zero));
        assert_eq!(parse(b"A=1\nB=\xff").unwrap_err(), Fault { line: 2, syntax: Syntax::NotText });
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A= '\"\\\\#$\n\r\ta0]{0,60}") {
            if let Err(fault) = parse(text.as_bytes()) {
                prop_assert!(fault.line <= text.matches('\n').count() + 1);
            }
        }

        #[test]
        fn a_value_without_a_single_quote_survives_in_single_quotes(value in "[^'\0]{0,40}") {
            prop_assert_eq!(read(&format!("A=1\nB='{value}'\nC=2"))[1].1.clone(), value);
        }
    }
}
