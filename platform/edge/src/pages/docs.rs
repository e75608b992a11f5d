//! The API's description to read and try out: Swagger UI in a page of ours, without anything from outside.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, header};
use stoa_http::{Failure, Path, Result, codes};
use utoipa_swagger_ui::{Config, serve};

use super::{Shared, home::fill, page};

const PAGE: &str = include_str!("assets/docs.html");
const STYLE: &str = include_str!("assets/docs.css");
const SCRIPT: &str = include_str!("assets/docs.js");
/// Swagger UI sets styles from its script, and draws with `data:` images.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What of Swagger UI the page uses.
const SWAGGER: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Response {
    page(fill(PAGE, shared.version), POLICY)
}

pub(super) async fn file(Path(name): Path<String>) -> Result<Response> {
    match name.as_str() {
        "docs.css" => Ok(asset("text/css", STYLE.into())),
        "docs.js" => Ok(asset("text/javascript", SCRIPT.into())),
        name if SWAGGER.contains(&name) => swagger(name),
        _ => Err(Failure::new(codes::NOT_FOUND)),
    }
}

fn swagger(name: &str) -> Result<Response> {
    let file = serve(name, Arc::new(Config::from("/api/openapi.json"))).map_err(Failure::internal)?;
    let file = file.ok_or_else(|| Failure::internal(format_args!("{name} was not built in")))?;
    let mut response = asset("", Bytes::from(file.bytes.into_owned()).into());
    let kind = HeaderValue::try_from(file.content_type).map_err(Failure::internal)?;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if file.gzpipped {
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

fn asset(kind: &'static str, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=3600"),
        ),
    ];
    (headers, body).into_response()
}
