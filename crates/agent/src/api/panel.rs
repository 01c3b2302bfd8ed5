use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::Refusal;

/// The built panel. Debug builds read it from the folder at run time.
#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
struct Panel;

/// No inline script or style, nothing from elsewhere, in no frame.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// A file of the panel. The panel's own pages live behind `#`, so `/` is the only page.
pub async fn asset(uri: Uri) -> Response {
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    let Some(file) = Panel::get(path) else {
        if path == "index.html" {
            return Refusal::internal(
                "this build has no panel: run `scripts/panel build`, then build steady again",
            )
            .into_response();
        }
        return not_found(uri).await.into_response();
    };
    let mime = mime_guess::from_path(path).first_or_octet_stream();
    // Built assets carry their hash in the name; the page itself does not.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = file.data.into_response();
    let headers = response.headers_mut();
    if let Ok(mime) = HeaderValue::from_str(mime.as_ref()) {
        headers.insert(header::CONTENT_TYPE, mime);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    *response.status_mut() = StatusCode::OK;
    response
}

pub async fn not_found(uri: Uri) -> Refusal {
    Refusal::not_found(format!("there is nothing at {}", uri.path()))
}
