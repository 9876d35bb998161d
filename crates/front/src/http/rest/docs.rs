//! The page that shows a document: Swagger UI, which is in this program, and a few lines of ours.
//!
//! The page holds nothing. It fetches the document beside it, and asks for a token if that needs
//! one. The token stays in the page's memory and goes nowhere but to this gateway.

use super::super::respond::{self, Answer};
use http::StatusCode;
use http::header::{self, HeaderValue};
use swagger_ui_redist::{SwaggerUi, SwaggerUiStaticFile};

const PAGE: &str = include_str!("../../../assets/docs.html");
const SCRIPT: &str = include_str!("../../../assets/docs.js");
const STYLE: &str = include_str!("../../../assets/docs.css");

/// Nothing comes from elsewhere, and nothing goes there. Swagger UI sets styles as it draws.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Files of the page by name, with their media types.
const FILES: [(&str, &str); 5] = [
    ("docs.js", "text/javascript; charset=utf-8"),
    ("docs.css", "text/css; charset=utf-8"),
    ("swagger-ui.css", "text/css; charset=utf-8"),
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("favicon.png", "image/png"),
];

/// The file that a path from the root means.
pub(super) fn asset(path: &str) -> Option<&'static str> {
    let name = path.strip_prefix("assets/")?;
    FILES.iter().map(|(file, _)| *file).find(|file| *file == name)
}

/// The page, so many folders below the root. Its links are relative, so that it works behind any
/// proxy.
pub(super) fn page(depth: usize) -> Answer {
    let html = PAGE.replace("{root}", &"../".repeat(depth));
    let mut response = respond::bytes(StatusCode::OK, "text/html; charset=utf-8", html.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The page is at another address, relative to this one.
pub(super) fn moved(to: &'static str) -> Answer {
    let mut response = respond::empty(StatusCode::TEMPORARY_REDIRECT);
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(to));
    response
}

/// A file of the page.
pub(super) fn file(name: &str) -> Answer {
    let bundled = |wanted: &SwaggerUiStaticFile| {
        let files = SwaggerUi::static_files().iter();
        files.filter(|(file, _)| file.file_name() == wanted.file_name()).map(|(_, bytes)| *bytes).next()
    };
    let bytes = match name {
        "docs.js" => Some(SCRIPT.as_bytes()),
        "docs.css" => Some(STYLE.as_bytes()),
        "swagger-ui.css" => bundled(&SwaggerUiStaticFile::Css),
        "swagger-ui-bundle.js" => bundled(&SwaggerUiStaticFile::Js),
        _ => bundled(&SwaggerUiStaticFile::Favicon32),
    };
    let kind = FILES.iter().find(|(file, _)| *file == name).map_or("application/octet-stream", |(_, kind)| kind);
    let mut response = respond::bytes(StatusCode::OK, kind, bytes.unwrap_or_default().into());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
