use toml::Value;

use crate::{load, problems};

/// The one thing that is wrong, which must contain all of `parts`.
fn refused(found: &[String], parts: &[&str]) {
    let [problem] = found else {
        panic!("not one problem: {found:#?}")
    };
    for part in parts {
        assert!(problem.contains(part), "{part:?} is not in {problem:?}");
    }
}

#[test]
fn an_unknown_key_in_the_file_is_refused_with_the_nearest_name() {
    for (text, key, near) in [
        (
            "[gateway]\nmax_bdy = 1",
            "gateway.max_bdy",
            "did you mean gateway.max_body?",
        ),
        ("[gatway]\nmax_body = 1", "gatway", "did you mean gateway?"),
        (
            "[gateway.rate_limits]\nper_user = \"1/s\"",
            "gateway.rate_limits",
            "did you mean gateway.rate_limit?",
        ),
        (
            "[auth]\nper_address = \"1/s\"",
            "auth.per_address",
            "did you mean gateway.rate_limit.per_address?",
        ),
        ("listen = \"a\"", "listen", "did you mean server.listen?"),
    ] {
        refused(
            &problems(text, &[], &[]),
            &[&format!("{key} (from "), "stoa.toml) is not a setting", near],
        );
    }
}

#[test]
fn a_name_like_no_other_gets_no_advice() {
    let found = problems("[gateway]\nzeppelin = 1", &[], &[]);
    assert!(found[0].ends_with("is not a setting"), "{found:?}");
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest_name() {
    for (name, near) in [
        ("STOA_GATEWAY__MAX_BDY", "did you mean STOA_GATEWAY__MAX_BODY?"),
        ("STOA_SERVER_LISTEN", "did you mean STOA_SERVER__LISTEN?"),
        (
            "STOA_GATEWAY__RATE_LIMIT_PER_USER",
            "did you mean STOA_GATEWAY__RATE_LIMIT__PER_USER?",
        ),
        ("STOA_server__listen", "STOA_<SECTION>__<KEY>"),
        ("STOA_LISTEN", "STOA_<SECTION>__<KEY>"),
        ("STOA_", "STOA_<SECTION>__<KEY>"),
        ("STOA_GATEWAY", "STOA_<SECTION>__<KEY>"),
        ("STOA_GATEWAY__RATE_LIMIT", "STOA_<SECTION>__<KEY>"),
    ] {
        refused(
            &problems("", &[(name, "1")], &[]),
            &[&format!("{name} in the environment is no setting"), near],
        );
    }
}

#[test]
fn a_wrong_type_is_refused_with_key_source_and_both_types() {
    refused(
        &problems("[gateway]\nmax_body = \"2MB\"", &[], &[]),
        &[
            "gateway.max_body (from ",
            "must be a whole number, not \"2MB\" (text)",
        ],
    );
    refused(
        &problems("", &[("STOA_GATEWAY__MAX_BODY", "2MB")], &[]),
        &[
            "gateway.max_body (from STOA_GATEWAY__MAX_BODY in the environment) must be a whole number, not \"2MB\"",
        ],
    );
    refused(
        &problems("", &[], &[("gateway.access_log", Value::Integer(1))]),
        &["gateway.access_log (from the command line) must be true or false, not 1 (a whole number)"],
    );
    refused(
        &problems("[gateway]\nproxies = [1]", &[], &[]),
        &["gateway.proxies", "must be a list of texts, not [1]"],
    );
    refused(
        &problems("gateway = 1", &[], &[]),
        &["gateway (from ", "must be a section, not 1"],
    );
    refused(
        &problems("[server.listen]\nport = 1", &[], &[]),
        &["server.listen", "must be text, not a section"],
    );
}

#[test]
fn a_refusal_does_not_tell_a_secret() {
    let error = load(
        "[mail]\nurl = [\"smtp://u:s3cret@a\"]\n[auth]\nclient_secret = \"s3cret\"",
        &[],
        &[],
    )
    .unwrap_err();
    assert!(!error.to_string().contains("client_secret"), "{error}");
    let found = problems("", &[("STOA_GATEWAY__MAX_BODY", "smtp://u:s3cret@a")], &[]);
    assert!(!found[0].contains("s3cret"), "{found:?}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let error = load("a = 1\n[gateway]\nb = 2", &[("STOA_C", "1")], &[]).unwrap_err();
    assert_eq!(error.problems().len(), 3);
    assert!(
        error.to_string().starts_with("3 settings are wrong:\n- "),
        "{error}"
    );
}
