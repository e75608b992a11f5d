use stoa_config::{Settings, Source};
use toml::Value;

use crate::{DEFAULTS, file, load, table};

#[test]
fn without_layers_the_defaults_hold() {
    let settings = Settings::load(DEFAULTS, None, std::iter::empty(), Vec::new()).unwrap();
    assert_eq!(table(&settings, "server")["listen"], "127.0.0.1:3000".into());
    assert_eq!(settings.source("server.listen"), Source::Default);
}

#[test]
fn each_layer_outranks_those_before_it() {
    let text = "[gateway]\nmax_body = 1\n[gateway.rate_limit]\nper_address = \"1/s\"\nper_user = \"1/s\"";
    let env = [
        ("STOA_GATEWAY__RATE_LIMIT__PER_ADDRESS", "2/s"),
        ("STOA_GATEWAY__MAX_BODY", "2"),
        ("PATH", "/bin"),
    ];
    let settings = load(text, &env, &[("gateway.max_body", Value::Integer(3))]).unwrap();
    let gateway = table(&settings, "gateway");
    assert_eq!(gateway["max_body"], 3.into());
    let limits = gateway["rate_limit"].as_table().unwrap();
    assert_eq!(
        (&limits["per_address"], &limits["per_user"]),
        (&"2/s".into(), &"1/s".into())
    );
    assert_eq!(limits["per_route"], vec!["POST /a 5/m"].into());
    assert_eq!(settings.source("gateway.max_body"), Source::CommandLine);
    let variable = Source::Variable("STOA_GATEWAY__RATE_LIMIT__PER_ADDRESS".to_owned());
    assert_eq!(settings.source("gateway.rate_limit.per_address"), variable);
    assert!(matches!(
        settings.source("gateway.rate_limit.per_user"),
        Source::File(_)
    ));
}

#[test]
fn every_type_can_come_from_the_environment() {
    let env = [
        ("STOA_SERVER__LISTEN", "[::]:80"),
        ("STOA_GATEWAY__MAX_BODY", "1024"),
        ("STOA_GATEWAY__TRACE_RATIO", "0"),
        ("STOA_GATEWAY__ACCESS_LOG", "false"),
        ("STOA_GATEWAY__PROXIES", "10.0.0.0/8, fd00::/8"),
        ("STOA_GATEWAY__RATE_LIMIT__PER_ROUTE", "[\"GET /a, b 1/s\"]"),
    ];
    let settings = load("", &env, &[]).unwrap();
    let gateway = table(&settings, "gateway");
    assert_eq!(table(&settings, "server")["listen"], "[::]:80".into());
    assert_eq!(gateway["max_body"], 1024.into());
    assert_eq!(gateway["trace_ratio"], 0.0.into());
    assert_eq!(gateway["access_log"], false.into());
    assert_eq!(gateway["proxies"], vec!["10.0.0.0/8", "fd00::/8"].into());
    assert_eq!(gateway["rate_limit"]["per_route"], vec!["GET /a, b 1/s"].into());
}

#[test]
fn a_whole_number_will_do_for_a_number() {
    let settings = load("[gateway]\ntrace_ratio = 1", &[], &[]).unwrap();
    assert_eq!(table(&settings, "gateway")["trace_ratio"], 1.0.into());
}

#[test]
fn dotted_keys_in_the_file_are_the_same_as_sections() {
    let settings = load("gateway.rate_limit.per_user = \"1/s\"", &[], &[]).unwrap();
    assert_eq!(table(&settings, "gateway.rate_limit")["per_user"], "1/s".into());
}

#[test]
fn a_file_that_is_not_there_or_no_toml_is_an_error_that_names_it() {
    let missing = Settings::load(
        DEFAULTS,
        Some("/nowhere/stoa.toml".as_ref()),
        std::iter::empty(),
        Vec::new(),
    );
    assert!(
        missing
            .unwrap_err()
            .to_string()
            .contains("/nowhere/stoa.toml cannot be read")
    );
    let (path, _dir) = file("[server\n");
    let broken = Settings::load(DEFAULTS, Some(path.as_path()), std::iter::empty(), Vec::new())
        .unwrap_err()
        .to_string();
    assert!(
        broken.contains("stoa.toml cannot be understood") && broken.contains("line 1"),
        "{broken}"
    );
}
