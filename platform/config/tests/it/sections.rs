use serde::Deserialize;
use stoa_kernel::{Period, Rate};

use crate::load;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gateway {
    max_body: u64,
    trace_ratio: f64,
    access_log: bool,
    proxies: Vec<std::net::IpAddr>,
    rate_limit: RateLimit,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RateLimit {
    per_address: Rate,
    per_user: Rate,
    per_route: Vec<String>,
}

fn wrong(text: &str, env: &[(&str, &str)]) -> String {
    load(text, env, &[])
        .unwrap()
        .section::<Gateway>("gateway")
        .unwrap_err()
        .to_string()
}

#[test]
fn a_section_is_read_into_its_type() {
    let env = [
        ("STOA_GATEWAY__RATE_LIMIT__PER_USER", "off"),
        ("STOA_GATEWAY__PROXIES", "::1"),
    ];
    let gateway: Gateway = load("", &env, &[]).unwrap().section("gateway").unwrap();
    assert_eq!(gateway.max_body, 2_097_152);
    assert!(gateway.access_log && gateway.trace_ratio > 0.9);
    assert_eq!(gateway.rate_limit.per_user, Rate::Off);
    assert_eq!(gateway.rate_limit.per_address.to_string(), "200/s");
    assert_eq!(gateway.rate_limit.per_route, ["POST /a 5/m"]);
    assert_eq!(gateway.proxies, ["::1".parse::<std::net::IpAddr>().unwrap()]);
}

#[test]
fn a_value_that_its_service_refuses_is_named_in_full_with_its_source() {
    let error = wrong("", &[("STOA_GATEWAY__RATE_LIMIT__PER_USER", "many")]);
    assert!(error.starts_with("gateway.rate_limit.per_user (from STOA_GATEWAY__RATE_LIMIT__PER_USER in the environment): 'many' is not a rate"), "{error}");
    let error = wrong("[gateway]\nmax_body = -1", &[]);
    assert!(
        error.starts_with("gateway.max_body (from ") && error.contains("-1"),
        "{error}"
    );
    let error = wrong("", &[("STOA_GATEWAY__PROXIES", "::1,x")]);
    assert!(
        error.starts_with("gateway.proxies[1] (from STOA_GATEWAY__PROXIES in the environment): "),
        "{error}"
    );
}

#[test]
fn a_section_that_is_not_there_is_refused() {
    let settings = load("", &[], &[]).unwrap();
    let error = settings.section::<toml::Table>("gatewy").unwrap_err().to_string();
    assert_eq!(error, "there is no section [gatewy]; did you mean gateway?");
    assert!(settings.section::<toml::Table>("server.listen").is_err());
}

#[derive(Debug, Deserialize)]
struct Auth {
    token_lifetime: Period,
    #[serde(rename = "missing")]
    _missing: String,
}

#[test]
fn a_field_that_the_defaults_lack_names_the_section() {
    let error = load("", &[], &[])
        .unwrap()
        .section::<Auth>("auth")
        .map(|auth| auth.token_lifetime)
        .unwrap_err();
    assert_eq!(error.to_string(), "auth: missing field `missing`");
}
