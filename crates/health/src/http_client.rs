//! The HTTP client of all looks: a new connection for each question, since a kept one would not notice that nobody
//! accepts any more; no proxy and no redirect: a check means its URL.

use std::error::Error;
use std::io;

use reqwest::{Client, ClientBuilder, redirect};

pub fn build(builder: ClientBuilder) -> Result<Client, String> {
    builder
        .no_proxy()
        .redirect(redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .user_agent(concat!("steady/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| cause(&e))
}

/// What the system said, if it was the system.
pub fn io_error(e: &reqwest::Error) -> Option<&io::Error> {
    causes(e).find_map(|e| e.downcast_ref())
}

/// The innermost reason; the outer ones repeat the URL.
pub fn cause(e: &reqwest::Error) -> String {
    causes(e).last().map_or_else(String::new, ToString::to_string)
}

fn causes<'a>(e: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(e), |&e| e.source())
}
