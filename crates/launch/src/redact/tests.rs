use proptest::prelude::*;

use super::*;

fn environment(vars: &[(&str, &str, Origin)]) -> Environment {
    let mut whole = Environment::default();
    for (name, value, origin) in vars {
        whole.set(*name, *value, *origin);
    }
    whole
}

fn shown(name: &str, value: &str) -> String {
    environment(&[(name, value, Origin::Configured)]).redacted().remove(name).unwrap()
}

#[test]
fn secrets_and_what_files_say_are_never_shown_and_plain_variables_are() {
    let whole = environment(&[
        ("OPENAI", "sk-123456", Origin::Secret),
        ("DATA_DIR", "/srv/data", Origin::File),
        ("LEVEL", "debug", Origin::Configured),
        ("PIN", "12", Origin::Secret),
        ("SAME", "12", Origin::Configured),
        ("ARGS", "--api sk-123456 --pin 12", Origin::Configured),
    ]);
    let expected = [
        ("ARGS", "--api (redacted) --pin 12"),
        ("DATA_DIR", REDACTED),
        ("LEVEL", "debug"),
        ("OPENAI", REDACTED),
        ("PIN", REDACTED),
        ("SAME", REDACTED),
    ];
    assert_eq!(whole.redacted(), expected.map(|(n, v)| (n.to_owned(), v.to_owned())).into());
    assert!(!format!("{whole:?}").contains("sk-"), "{whole:?}");
}

#[test]
fn a_name_that_looks_secret_hides_its_value() {
    for name in
        ["API_KEY", "apikey", "GH_TOKEN", "DB_PASS", "DB_PWD", "SENTRY_DSN", "X_CREDENTIALS", "Basic_Auth"]
    {
        assert_eq!(shown(name, "value"), REDACTED, "{name}");
    }
    for name in ["PATH", "PWD", "LANG", "HOST", "DATABASE"] {
        assert_eq!(shown(name, "value"), "value", "{name}");
    }
}

#[test]
fn of_a_url_only_what_is_secret_goes() {
    let cases = [
        ("postgres://me:pw@db:5432/x", "postgres://me:(redacted)@db:5432/x"),
        ("postgres://me:p/w?@db/x", "postgres://me:(redacted)@db/x"),
        ("redis://:pw@db", "redis://:(redacted)@db"),
        ("https://ghp_abc@github.com/a", "https://(redacted)@github.com/a"),
        ("ssh://git@github.com/a", "ssh://git@github.com/a"),
        ("http://localhost:8080/a@b", "http://localhost:8080/a@b"),
        ("http://h/?a=1&token=t#x", "http://h/?a=1&token=(redacted)#x"),
        ("amqp://a:b@x,amqp://c:d@y", "amqp://a:(redacted)@x,amqp://c:(redacted)@y"),
        ("see http://a/ and me@b", "see http://a/ and me@b"),
        ("http://me:@h", "http://me:@h"),
    ];
    for (value, expected) in cases {
        assert_eq!(shown("URL", value), expected);
    }
}

#[test]
fn a_log_line_loses_known_values_and_keeps_the_rest() {
    let whole = environment(&[
        ("A", "hunter22", Origin::Secret),
        ("B", "ab\"cd\\ef", Origin::Secret),
        ("PEM", "-----BEGIN-----\nMIIBsecret\n-----END-----", Origin::Secret),
        ("URL", "postgres://me:s3cr3t@db", Origin::Configured),
        ("DATA_DIR", "/srv/data", Origin::File),
        ("SALT", "from a file", Origin::File),
        ("SHORT", "abc", Origin::Secret),
    ]);
    let redactor = whole.redactor();
    let cases = [
        ("login with hunter22, hunter22hunter22", "login with (redacted), (redacted)(redacted)"),
        (r#"{"b":"ab\"cd\\ef"}"#, r#"{"b":"(redacted)"}"#),
        ("key MIIBsecret!", "key (redacted)!"),
        ("auth failed for s3cr3t", "auth failed for (redacted)"),
        ("at /srv/data/x.py: from a file", "at /srv/data/x.py: (redacted)"),
        ("abc", "abc"),
    ];
    for (line, expected) in cases {
        assert_eq!(redactor.line(line), expected);
    }
    assert!(matches!(redactor.line("nothing here"), Cow::Borrowed(_)));
    assert_eq!(format!("{redactor:?}"), "Redactor(8 values)");
}

#[test]
fn values_that_overlap_leave_no_part_in_the_open() {
    let redactor = Redactor::new(["abcabc", "bcabcd", "abcabcabcxyz"]);
    assert_eq!(redactor.line("-abcabcabcd-"), "-(redacted)-");
    assert_eq!(redactor.line("-abcabcabcxyz-"), "-(redacted)-");
}

proptest! {
    #[test]
    fn no_secret_is_ever_shown(
        secrets in prop::collection::vec("[a-z/:@?&=#\"\\\\ ]{6,12}", 1..4),
        pieces in prop::collection::vec(("[A-Z_]{1,6}", "[a-z:/@ ]{0,8}", 0..4_usize, any::<bool>(), 0..3_u8), 0..6),
    ) {
        // What stands for them would be found as one.
        prop_assume!(!secrets.iter().any(|s| REDACTED.contains(s.as_str())));
        let mut whole = Environment::default();
        let mut lines = Vec::new();
        for (name, around, which, url, origin) in &pieces {
            let secret = secrets.get(*which).map_or("", String::as_str);
            let value = if *url { format!("x://u:{secret}@{around}") } else { format!("{around}{secret}{around}") };
            let origin = [Origin::Inherited, Origin::File, Origin::Configured][usize::from(*origin)];
            lines.push(value.clone());
            whole.set(name.as_str(), value, origin);
        }
        for (n, secret) in secrets.iter().enumerate() {
            whole.set(format!("secret {n}"), secret.as_str(), Origin::Secret);
        }
        let redactor = whole.redactor();
        let shown = whole.redacted();
        for secret in &secrets {
            for value in shown.values() {
                prop_assert!(!value.replace(REDACTED, "\0").contains(secret.as_str()), "{value:?} shows {secret:?}");
            }
            for line in &lines {
                let line = redactor.line(line);
                prop_assert!(!line.replace(REDACTED, "\0").contains(secret.as_str()), "{line:?} shows {secret:?}");
            }
        }
    }
}
