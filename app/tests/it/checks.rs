//! Settings that cannot work: `config check`, `doctor` and `serve` refuse them alike, and name them.

use std::{fs, path::Path, process::Output};

use crate::stoa::{command, folder, run_with};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn variables(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let variable = |key: &str| format!("STOA_{}", key.replace('.', "__").to_uppercase());
    settings
        .iter()
        .map(|(key, value)| (variable(key), (*value).to_owned()))
        .collect()
}

/// All three refuse these settings, and name the first of them.
fn refused(data_dir: &Path, settings: &[(&str, &str)]) {
    let key = settings[0].0;
    let variables = variables(settings);
    for (args, code) in [
        (&["config", "check"][..], 1),
        (&["serve", "--listen", "127.0.0.1:0"], 1),
        (&["doctor"], 2),
    ] {
        // What a flag of `serve` says would outrank what is tried.
        let args = if key == "server.listen" && args[0] == "serve" {
            &args[..1]
        } else {
            args
        };
        let found = run_with(data_dir, args, &variables);
        let text = said(&found);
        assert_eq!(
            found.status.code(),
            Some(code),
            "{args:?} with {settings:?}: {text}"
        );
        assert!(text.contains(key), "{args:?} does not name {key}: {text}");
        assert!(!text.contains("hunter2"), "{args:?} shows a password: {text}");
    }
}

fn taken(data_dir: &Path, settings: &[(&str, &str)]) {
    let found = run_with(data_dir, &["config", "check"], &variables(settings));
    assert!(found.status.success(), "{settings:?}: {}", said(&found));
}

/// Each setting of stoa.default.toml with what its comment says of: "0s": for ever, 0: no limit, 0 bytes: no limit. Where a
/// comment is about several settings, the last of those that have this unit is not known, so each is tried.
fn documented_zeros() -> Vec<(String, &'static str)> {
    let (mut zeros, mut section, mut comment) = (Vec::new(), String::new(), String::new());
    let mut in_comment = false;
    for line in include_str!("../../../stoa.default.toml").lines() {
        if let Some(text) = line.strip_prefix('#') {
            if !in_comment {
                comment.clear();
            }
            in_comment = true;
            comment.push_str(text);
            continue;
        }
        in_comment = false;
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        }
        let Some((key, value)) = line.split_once(" = ") else {
            continue;
        };
        let is_number = value.parse::<f64>().is_ok();
        if value == "\"0s\"" || value == "0" || (!is_number && comment.contains("\"0s\":")) {
            zeros.push((format!("{section}.{key}"), if is_number { "0" } else { "0s" }));
        } else if is_number && (comment.contains(" 0:") || comment.contains(" 0 bytes:")) {
            zeros.push((format!("{section}.{key}"), "0"));
        }
    }
    zeros
}

#[test]
fn every_zero_that_the_defaults_document_is_taken() {
    let (_scratch, data_dir) = folder();
    let zeros = documented_zeros();
    for known in [
        "auth.refresh_leeway",
        "gateway.body_rate",
        "bus.max_mib",
        "audit.keep",
        "server.drain",
    ] {
        assert!(
            zeros.iter().any(|(key, _)| key == known),
            "{known} is not found: {zeros:?}"
        );
    }
    let settings: Vec<_> = zeros.iter().map(|(key, zero)| (key.as_str(), *zero)).collect();
    taken(&data_dir, &settings);
}

#[test]
fn one_wrong_setting_is_told_once() {
    let (_scratch, data_dir) = folder();
    for (key, value) in [
        ("auth.refresh_leeway", "200000d"),
        ("auth.refresh_leeway", "2m"),
        ("auth.access_token_lifetime", "0s"),
        ("auth.password.lanes", "0"),
        ("auth.password.min_length", "0"),
        ("auth.password.memory_kib", "0"),
        ("auth.sessions_max", "0"),
        ("gateway.max_json", "0"),
        ("users.avatar_size", "0"),
        ("events.concurrency", "0"),
        ("database.connections", "0"),
    ] {
        let found = run_with(&data_dir, &["config", "check"], &variables(&[(key, value)]));
        let text = said(&found);
        assert!(!found.status.success(), "{key} = {value}: {text}");
        assert_eq!(text.matches(key).count(), 1, "{key} = {value}: {text}");
    }
}

#[test]
fn a_file_for_heads_of_audit_logs_that_cannot_be_is_refused() {
    let (scratch, data_dir) = folder();
    let there = scratch.path().join("heads.jsonl");
    taken(&data_dir, &[("audit.heads_file", there.to_str().unwrap())]);
    let missing = scratch.path().join("missing/heads.jsonl");
    for file in [missing.as_path(), scratch.path()] {
        refused(&data_dir, &[("audit.heads_file", file.to_str().unwrap())]);
    }
    fs::write(&there, "").unwrap();
    let below = there.join("heads.jsonl");
    refused(&data_dir, &[("audit.heads_file", below.to_str().unwrap())]);
}

#[test]
fn what_serve_cannot_start_with_is_refused_by_all_three() {
    let (scratch, data_dir) = folder();
    let file = scratch.path().join("file");
    fs::write(&file, "no folder").unwrap();
    let (file, below) = (file.to_str().unwrap(), file.join("below"));
    for settings in [
        &[("auth.access_token_lifetime", "0s")][..],
        &[("auth.secret", "c2hvcnQ=")],
        &[("auth.secret", "not base64")],
        &[("auth.password.min_length", "200")],
        &[("auth.password.memory_kib", "1")],
        &[("auth.password.iterations", "0")],
        &[("auth.password.lanes", "0")],
        &[("mail.url", "smtp://")],
        &[("mail.url", "http://ada:hunter2@mx.example")],
        &[("mail.from", "nobody")],
        &[("mail.folder", below.to_str().unwrap())],
        &[("bus.url", "kafka://ada:hunter2@x")],
        &[("bus.url", "nats://")],
        &[("bus.url", "amqp:///vhost")],
        &[("bus.prefix", "With Blanks")],
        &[("bus.replicas", "2")],
        &[("cache.url", "memcached://ada:hunter2@x")],
        &[("auth.cache.url", "memcached://ada:hunter2@x")],
        &[("objects.url", "ftp://ada:hunter2@x")],
        &[("objects.endpoint", "nowhere"), ("objects.url", "s3://stoa")],
        &[("objects.access_key_id", "ada"), ("objects.url", "s3://stoa")],
        &[("database.url", "mysql://ada:hunter2@x")],
        &[("users.database.url", "postgres:///stoa?password=hunter2")],
        &[("database.replica_url", "postgres://ada:hunter2@x/stoa")],
        &[("database.url", "sqlite:/tmp/one.db")],
        &[("telemetry.log", "loud")],
        &[("telemetry.otlp_endpoint", "https://ada:hunter2@x")],
        &[("telemetry.otlp_endpoint", "http://")],
        &[("telemetry.trace_ratio", "1.5")],
        &[
            ("server.tls.certificate", "/nowhere.pem"),
            ("server.tls.key", "/nowhere.key"),
        ],
        &[("server.tls.key", "/nowhere.key")],
        &[("server.tls.folder", "/nowhere")],
        &[("server.tls.redirect_listen", "127.0.0.1:0")],
        &[("server.tls.peers_only", "true")],
        &[
            ("server.tls.acme.agree_terms", "false"),
            ("server.tls.acme.domains", "example.com"),
        ],
        &[
            ("server.tls.acme.domains", "*.example.com"),
            ("server.tls.acme.agree_terms", "true"),
        ],
        &[
            ("server.tls.acme.challenge", "http"),
            ("server.tls.acme.domains", "example.com"),
            ("server.tls.acme.agree_terms", "true"),
        ],
        &[
            ("server.public_url", "http://example.com"),
            ("server.tls.acme.domains", "example.com"),
            ("server.tls.acme.agree_terms", "true"),
        ],
        &[("server.data_dir", file)],
        &[("server.rpc_listen", "0.0.0.0:3100")],
        &[("server.rpc_listen", "3100")],
        &[("rpc.tls.key", "/nowhere.key")],
        &[
            ("rpc.tls.ca", "/nowhere.pem"),
            ("rpc.tls.key", "/nowhere.key"),
            ("rpc.tls.certificate", "/nowhere.pem"),
        ],
        &[("rpc.upstreams.auth", "[\"auth:3100\"]")],
        &[("rpc.upstreams.auth", "[\"http://ada:hunter2@auth\"]")],
        &[("gateway.upstreams.users", "[\"https://users\"]")],
        &[("gateway.trusted_proxies", "[\"everybody\"]")],
        &[("gateway.rate_limit.per_address", "often")],
    ] {
        let dir = if settings[0].0 == "server.data_dir" {
            Path::new(file)
        } else {
            &data_dir
        };
        refused(dir, settings);
    }
}

#[test]
fn what_could_never_have_an_effect_is_refused_by_all_three() {
    let (_scratch, data_dir) = folder();
    for settings in [
        &[("gateway.cors.origins", "[\"https://*.example.com\"]")][..],
        &[("gateway.cors.origins", "[\"https://app.example.com:443\"]")],
        &[("gateway.cors.origins", "[\"http://app.example.com:80\"]")],
        &[("gateway.cors.origins", "[\"https://app.example.com/path\"]")],
        &[("auth.cookie_same_site", "none")],
        &[
            ("auth.cookie_same_site", "none"),
            ("server.public_url", "http://example.com"),
        ],
        &[("server.public_url", "example.com")],
        &[("server.public_url", "ftp://example.com")],
        &[("server.public_url", "https://ada:hunter2@example.com")],
        &[("server.public_url", "https://example.com?a=b")],
        &[("server.public_url", "http://0.0.0.0:3000")],
        &[("server.listen", "0.0.0.0:0")],
        &[("server.listen", "[::]:0")],
        &[("bus.max_age", "8d")],
        &[("bus.max_age", "8d"), ("bus.url", "nats://127.0.0.1:1")],
        &[("events.keep_done", "1d"), ("bus.url", "nats://127.0.0.1:1")],
        &[("gateway.rate_limit.per_route", "[\"POST /api/v1/auth/logn 5/m\"]")],
        &[(
            "gateway.rate_limit.per_route",
            "[\"DELETE /api/v1/auth/login 5/m\"]",
        )],
        &[("users.avatar_size", "256"), ("users.avatar_max_pixels", "100")],
        &[("server.product_name", " ")],
        &[("auth.signing_key_lifetime", "30m")],
    ] {
        refused(&data_dir, settings);
    }
}

#[test]
fn numbers_and_times_that_nothing_can_be_done_within_are_refused_by_name() {
    let (_scratch, data_dir) = folder();
    for (key, value) in [
        ("auth.refresh_token_lifetime", "0s"),
        ("auth.reset_token_lifetime", "0s"),
        ("auth.verify_token_lifetime", "0s"),
        ("auth.signing_key_lifetime", "0s"),
        ("auth.access_token_lifetime", "999999999h"),
        ("auth.password.queue", "0"),
        ("gateway.timeout", "0s"),
        ("gateway.max_body", "0"),
        ("gateway.max_header", "1"),
        ("gateway.upstream.connect_timeout", "0s"),
        ("gateway.upstream.check_every", "0s"),
        ("gateway.upstream.resolve_every", "0s"),
        ("gateway.upstream.retry_budget", "nan"),
        ("database.connections", "0"),
        ("auth.database.connections", "0"),
        ("database.wait", "0s"),
        ("database.statement_timeout", "0s"),
        ("events.concurrency", "0"),
        ("events.keep_done", "0s"),
        ("events.lease", "0s"),
        ("events.poll", "0s"),
        ("cache.max_mib", "0"),
        ("cache.limit_timeout", "0s"),
        ("users.activity_keep", "0s"),
        ("users.avatar_size", "0"),
        ("users.avatar_max_bytes", "-1"),
    ] {
        let found = run_with(&data_dir, &["config", "check"], &variables(&[(key, value)]));
        assert_eq!(found.status.code(), Some(1), "{key} = {value}: {}", said(&found));
        assert!(said(&found).contains(key), "{key} = {value}: {}", said(&found));
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let (_scratch, data_dir) = folder();
    let settings = [
        ("auth.secret", "short"),
        ("mail.url", "smtp://"),
        ("events.poll", "0s"),
    ];
    let text = said(&run_with(&data_dir, &["config", "check"], &variables(&settings)));
    for (key, _) in settings {
        assert!(text.contains(key), "{key}: {text}");
    }
}

#[test]
fn settings_that_work_are_taken() {
    let (_scratch, data_dir) = folder();
    let public = ("server.public_url", "https://example.com");
    for settings in [
        &[][..],
        &[("server.listen", "0.0.0.0:3000"), public],
        &[("auth.cookie_same_site", "none"), public],
        &[(
            "gateway.cors.origins",
            "[\"https://app.example.com\", \"http://localhost:5173\"]",
        )],
        &[("gateway.cors.origins", "[\"capacitor://localhost\"]")],
        &[("events.keep_done", "1d")],
        &[("bus.max_age", "1d"), ("bus.url", "nats://127.0.0.1:1")],
        &[("telemetry.log", "info,stoa_auth=debug")],
        &[("server.drain", "0s"), ("server.shutdown_grace", "0s")],
        &[(
            "gateway.rate_limit.per_route",
            "[\"POST /api/v1/auth/login 5/m\"]",
        )],
        &[("mail.url", "smtp://ada:hunter2@mx.example:587")],
        &[("server.rpc_listen", "0.0.0.0:3100"), ("rpc.insecure", "true")],
    ] {
        taken(&data_dir, settings);
    }
    // Whoever only passes on what others link to needs no address of its own.
    let args = ["config", "check", "--only", "users"];
    let alone = variables(&[
        ("server.listen", "0.0.0.0:3000"),
        ("rpc.upstreams.auth", "[\"http://10.0.0.7:3100\"]"),
    ]);
    let found = run_with(&data_dir, &args, &alone);
    assert!(found.status.success(), "{}", said(&found));
}

#[test]
fn auth_apart_from_the_gateway_needs_one_issuer_for_all_of_its_processes() {
    let (_scratch, data_dir) = folder();
    for args in [
        &["config", "check", "--only", "auth"][..],
        &["config", "check", "--only", "auth,users"],
        &["serve", "--listen", "127.0.0.1:0", "--only", "auth"],
    ] {
        let found = run_with(&data_dir, args, &[]);
        let text = said(&found);
        assert_eq!(found.status.code(), Some(1), "{args:?}: {text}");
        assert!(
            text.contains("server.public_url") && text.contains("auth.issuer"),
            "{args:?}: {text}"
        );
    }
    for one in [
        ("server.public_url", "https://example.com"),
        ("auth.issuer", "https://example.com"),
    ] {
        let args = ["config", "check", "--only", "auth"];
        let found = run_with(&data_dir, &args, &variables(&[one]));
        assert!(found.status.success(), "{one:?}: {}", said(&found));
    }
}

#[test]
fn what_is_printed_of_settings_shows_no_password() {
    let (scratch, data_dir) = folder();
    let printed = run_with(
        &data_dir,
        &["config", "print"],
        &variables(&[
            (
                "database.url",
                "postgres://db/stoa?user=ada&password=hunter2&sslmode=require",
            ),
            ("bus.url", "nats://hunter2@broker:4222"),
            ("cache.url", "redis://:hunter2@cache:6379"),
            ("mail.url", "ada:hunter2@mx.example:587"),
            ("gateway.upstreams.users", "[\"http://ada:hunter2@users\"]"),
            ("auth.secret", "hunter2"),
        ]),
    );
    let text = said(&printed);
    assert!(printed.status.success() && !text.contains("hunter2"), "{text}");
    assert!(
        text.contains("sslmode=require") && text.contains("broker:4222"),
        "{text}"
    );
    // Nor does what is said of a file that cannot be read.
    let file = scratch.path().join("broken.toml");
    fs::write(&file, "[mail]\nurl = \"smtp://ada:hunter2@mx.example\n").unwrap();
    let broken = command(&data_dir)
        .args(["config", "check", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let text = said(&broken);
    assert!(text.contains("line 2") && !text.contains("hunter2"), "{text}");
}
