//! Every route's name, limits and measurements, made once and found by path.

use std::{borrow::Cow, net::IpAddr, sync::OnceLock};

use http::{Method, StatusCode};
use metrics::Histogram;
use stoa_cache::{Cache, LimitKey, Limiter};
use stoa_http::{Protocol, openapi};
use utoipa::openapi::{OpenApi, PathItem, RefOr, path::Operation};

use super::remote::Remote;
use crate::{EdgeConfig, config::RouteRate};

/// What all paths count as that are none of ours.
const NO_ROUTE: &str = "(none)";
/// No token is shorter.
const TOKEN: usize = 32;
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Routes by path. What is found nowhere counts as one route, so that labels stay bounded whatever is asked for.
pub(super) struct Routes {
    /// Indices into `routes`.
    paths: matchit::Router<usize>,
    routes: Vec<Route>,
}

/// One route, such as `/api/v1/users/{id}`.
pub(super) struct Route {
    name: String,
    hides_path: bool,
    limiters: Vec<(Method, Limiter)>,
    /// Methods that take something other than JSON, such as pictures.
    files: Vec<Method>,
    /// Methods whose body is stored while it arrives.
    uploads: Vec<Method>,
    /// What it speaks, if that is not the API's.
    pub(super) protocol: Option<Protocol>,
    /// Where its requests go, if its service runs in another process.
    pub(super) remote: Option<Remote>,
    durations: [[OnceLock<Histogram>; CLASSES.len()]; METHODS.len()],
}

impl Routes {
    /// The routes of the API description, those that it does not list, and those with limits of their own.
    pub(super) fn new(openapi: &OpenApi, unlisted: &[String], limits: &[RouteRate], cache: &Cache) -> Self {
        let mut routes = Self {
            paths: matchit::Router::new(),
            routes: vec![Route::new(NO_ROUTE)],
        };
        for path in unlisted {
            routes.insert(path);
        }
        for (path, item) in &openapi.paths.paths {
            if let Some(index) = routes.insert(path) {
                routes.routes[index].files = methods(item, takes_files);
                routes.routes[index].uploads = methods(item, stores_while_arriving);
            }
        }
        for limit in limits {
            let known = routes.paths.at(&limit.path).is_ok();
            if !known {
                tracing::warn!(
                    route = limit.path,
                    "gateway.rate_limit.per_route names a route that is not served here"
                );
            }
            let Some(index) = routes.insert(&limit.path) else {
                continue;
            };
            let limiter = cache.limiter("gateway.per_route", limit.rate);
            routes.routes[index]
                .limiters
                .push((limit.method.clone(), limiter));
        }
        routes
    }

    /// Index of the route that is written so; a new one if there is none yet. None if it is at odds with another.
    fn insert(&mut self, path: &str) -> Option<usize> {
        let pattern = positional(path);
        if let Some(index) = self
            .routes
            .iter()
            .position(|route| positional(&route.name) == pattern)
        {
            return Some(index);
        }
        let index = self.routes.len();
        if let Err(error) = self.paths.insert(pattern, index) {
            tracing::warn!(route = path, %error, "this route has no measurements and limits of its own");
            return None;
        }
        self.routes.push(Route::new(path));
        Some(index)
    }

    /// Adds routes of other protocols.
    pub(super) fn speak(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            for path in protocol.paths {
                if let Some(index) = self.insert(path) {
                    let route = &mut self.routes[index];
                    route.protocol = Some(*protocol);
                    route.uploads = vec![Method::PUT];
                    route.files = vec![Method::POST];
                }
            }
        }
    }

    /// Says where the requests for a route go.
    pub(super) fn assign(&mut self, path: &str, remote: Remote) {
        match self.insert(path) {
            Some(index) => self.routes[index].remote = Some(remote),
            None => tracing::error!(
                route = path,
                "this route is at odds with another; its requests are not passed on"
            ),
        }
    }

    pub(super) fn find(&self, path: &str) -> &Route {
        let index = self.paths.at(path).map_or(0, |found| *found.value);
        &self.routes[index]
    }
}

/// The route with its parameters named by their place: two descriptions may name them differently.
fn positional(path: &str) -> String {
    let segments = path.split('/').enumerate().map(|(place, segment)| {
        if segment.starts_with("{*") {
            format!("{{*p{place}}}")
        } else if segment.starts_with('{') && segment.ends_with('}') {
            format!("{{p{place}}}")
        } else {
            segment.to_owned()
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

impl Route {
    fn new(name: &str) -> Self {
        Self {
            hides_path: name.contains("{token}"),
            name: name.to_owned(),
            limiters: Vec::new(),
            files: Vec::new(),
            uploads: Vec::new(),
            protocol: None,
            remote: None,
            durations: Default::default(),
        }
    }

    /// Largest body that it takes, in bytes.
    pub(super) fn max_body(&self, method: &Method, config: &EdgeConfig) -> u64 {
        if self.uploads.contains(method) {
            config.max_upload
        } else if self.files.contains(method) {
            config.max_body
        } else {
            config.max_body.min(config.max_json)
        }
    }

    /// Whether a body is stored while it arrives: it may take long, and is never in memory as a whole.
    pub(super) fn is_upload(&self, method: &Method) -> bool {
        self.uploads.contains(method)
    }

    /// The path of a request, as it may be written down: one that holds a secret, the parameter `{token}`, is not. A path that is none of
    /// ours may be one that was mistyped, so what is as long as a token is left out of it.
    pub(super) fn without_secrets<'a>(&'a self, path: &'a str) -> Cow<'a, str> {
        if self.hides_path {
            return Cow::Borrowed(&self.name);
        }
        let is_long = |segment: &str| segment.len() >= TOKEN;
        if self.name != NO_ROUTE || !path.split('/').any(is_long) {
            return Cow::Borrowed(path);
        }
        let shown = path
            .split('/')
            .map(|segment| if is_long(segment) { "…" } else { segment });
        Cow::Owned(shown.collect::<Vec<_>>().join("/"))
    }

    /// As the API description writes it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The limit of the route itself for a method, and the key of an address in it. HEAD counts as GET.
    pub(super) fn limiter(&self, method: &Method, address: IpAddr) -> Option<(&Limiter, LimitKey)> {
        let method = if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let (_, limiter) = self.limiters.iter().find(|(limited, _)| limited == method)?;
        // Routes with one rate share a limiter: so the key names the route as well.
        let address = LimitKey::address(address).to_string();
        let key = LimitKey::hash(&[
            method.as_str().as_bytes(),
            self.name.as_bytes(),
            address.as_bytes(),
        ]);
        Some((limiter, key))
    }

    /// Notes how long an answer took.
    pub(super) fn measure(&self, method: &Method, status: StatusCode, seconds: f64) {
        let (row, column) = (row(method), column(status));
        let histogram = self.durations[row][column].get_or_init(|| {
            metrics::histogram!(
                "http_request_duration_seconds",
                "method" => METHODS[row], "route" => self.name.clone(), "status" => CLASSES[column]
            )
        });
        histogram.record(seconds);
    }
}

/// The methods whose operation is such.
fn methods(item: &PathItem, is_such: fn(&Operation) -> bool) -> Vec<Method> {
    let described = [
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
    ];
    let such = described
        .into_iter()
        .filter(|(_, operation)| operation.as_ref().is_some_and(is_such));
    such.map(|(method, _)| method).collect()
}

/// Whether the body is described as something other than JSON.
fn takes_files(operation: &Operation) -> bool {
    match &operation.request_body {
        Some(RefOr::T(body)) => body.content.keys().any(|kind| kind != "application/json"),
        _ => false,
    }
}

fn stores_while_arriving(operation: &Operation) -> bool {
    let extensions = operation.extensions.as_ref();
    extensions.is_some_and(|known| known.get(openapi::UPLOAD) == Some(&serde_json::Value::Bool(true)))
}

fn row(method: &Method) -> usize {
    METHODS
        .iter()
        .position(|known| *known == method.as_str())
        .unwrap_or(METHODS.len() - 1)
}

/// The class of a status. 501 is the caller's doing, who asks for what is not offered: the objectives leave it out as they do 4xx.
fn column(status: StatusCode) -> usize {
    if status == StatusCode::NOT_IMPLEMENTED {
        return 3;
    }
    usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn routes_are_found_by_path_however_their_parameters_are_called() {
        let unlisted = [
            "/users/{id}".to_owned(),
            "/users/me".to_owned(),
            "/docs/{*file}".to_owned(),
        ];
        let limits = ["GET /users/{user} 5/s".parse().unwrap()];
        let routes = Routes::new(&OpenApi::default(), &unlisted, &limits, &Cache::local(1024));
        assert_eq!(routes.find("/users/7").name(), "/users/{id}");
        assert_eq!(routes.find("/users/me").name(), "/users/me");
        assert_eq!(routes.find("/docs/a/b.js").name(), "/docs/{*file}");
        assert_eq!(routes.find("/elsewhere").name(), "(none)");
        let limited = |path, method| {
            routes
                .find(path)
                .limiter(&method, IpAddr::from([192, 0, 2, 1]))
                .is_some()
        };
        assert!(limited("/users/7", Method::GET) && limited("/users/7", Method::HEAD));
        assert!(!limited("/users/7", Method::POST) && !limited("/users/me", Method::GET));
    }

    #[test]
    fn every_status_and_method_has_a_place() {
        assert_eq!(CLASSES[column(StatusCode::NO_CONTENT)], "2xx");
        assert_eq!(CLASSES[column(StatusCode::from_u16(599).unwrap())], "5xx");
        assert_eq!(CLASSES[column(StatusCode::from_u16(999).unwrap())], "5xx");
        assert_eq!(CLASSES[column(StatusCode::NOT_IMPLEMENTED)], "4xx");
        assert_eq!(CLASSES[column(StatusCode::BAD_GATEWAY)], "5xx");
        assert_eq!(METHODS[row(&Method::PATCH)], "PATCH");
        assert_eq!(METHODS[row(&Method::from_bytes(b"PURGE").unwrap())], "other");
    }
}
