use std::error::Error;
use std::path::PathBuf;

use hyper::StatusCode;

/// What the place of a copy did wrong: where, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    #[error("{place} cannot be reached: {why}")]
    Unreachable { place: String, why: String },
    #[error("{place} refuses the login: {why}; correct what `backup.copy.NAME.login` names")]
    Login { place: String, why: String },
    #[error(
        "{place} has no certificate that is trusted: {why}; name that of who signed it in `backup.copy.NAME.certificate`"
    )]
    Certificate { place: String, why: String },
    #[error("cannot read the certificate {}: {why}; correct `backup.copy.NAME.certificate`", path.display())]
    CertificateFile { path: PathBuf, why: String },
    #[error("{place} does not do what it was asked: {why}")]
    Refused { place: String, why: String },
    #[error("{place} does not speak as it should: {why}; is it a restic REST server?")]
    Strange { place: String, why: String },
    #[error("cannot start {program}: {why}; install rclone, or name it in `backup.copy.NAME.program`")]
    Program { program: String, why: String },
}

impl RemoteError {
    /// Whether waiting may help.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// The last of the causes, which says what happened.
pub(super) fn deepest(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

pub(super) fn of_answer(place: String, status: StatusCode, words: Option<String>) -> RemoteError {
    let said = words.map_or_else(|| status.to_string(), |words| format!("{status}: {words}"));
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            RemoteError::Login { place, why: said }
        }
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            RemoteError::Unreachable { place, why: said }
        }
        _ if is_of_the_network(&said) => RemoteError::Unreachable { place, why: said },
        _ => RemoteError::Refused { place, why: said },
    }
}

/// Whether these words of rclone's are of a way that is broken, and not of a login or a path that is wrong.
pub(super) fn is_of_the_network(words: &str) -> bool {
    const OF_THE_NETWORK: [&str; 11] = [
        "connection refused",
        "connection reset",
        "broken pipe",
        "no such host",
        "no route to host",
        "network is unreachable",
        "host is down",
        "i/o timeout",
        "timed out",
        "temporary failure in name resolution",
        "tls handshake timeout",
    ];
    let words = words.to_lowercase();
    OF_THE_NETWORK.iter().any(|sign| words.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_is_broken_is_told_from_a_setting_that_is_wrong() {
        let of = |status, words: &str| of_answer("nas".to_owned(), status, Some(words.to_owned()));
        let internal = StatusCode::INTERNAL_SERVER_ERROR;
        for words in [
            "dial tcp 127.0.0.1:22: connect: connection refused",
            "dial tcp: lookup nas: no such host",
            "read tcp: i/o timeout",
        ] {
            assert!(of(internal, words).is_away(), "{words}");
        }
        assert!(of(StatusCode::SERVICE_UNAVAILABLE, "").is_away());
        assert!(!of(internal, "NoSuchBucket: The specified bucket does not exist").is_away());
        assert!(!of(internal, "ssh: unable to authenticate").is_away());
        assert!(matches!(of(StatusCode::UNAUTHORIZED, ""), RemoteError::Login { .. }));
        assert!(matches!(of(StatusCode::INSUFFICIENT_STORAGE, ""), RemoteError::Refused { .. }));
    }
}
