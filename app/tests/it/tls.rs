//! The whole program behind TLS.

use std::{path::Path, process::Command};

use stoa_tls::testing::Authority;

use crate::stoa::{Stoa, folder, run_with};

/// curl, which has to be installed: what it wrote, then the status.
fn curl(ca: &Path, args: &[&str]) -> String {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--max-time",
            "20",
            "-i",
        ])
        .arg("--cacert")
        .arg(ca)
        .args(args)
        .output()
        .expect("this test needs curl: install it");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn people_come_by_https_and_are_sent_there() {
    let (scratch, data_dir) = folder();
    let authority = Authority::new("test");
    let (certificate, key) = authority
        .issue(&["localhost", "127.0.0.1"])
        .write(scratch.path(), "tls");
    let ca = scratch.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let plain = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let stoa = Stoa::serve_with(
        &data_dir,
        &[
            ("SERVER__TLS__CERTIFICATE", certificate.to_str().unwrap()),
            ("SERVER__TLS__KEY", key.to_str().unwrap()),
            ("SERVER__TLS__REDIRECT_LISTEN", &plain),
        ],
    );
    assert!(stoa.url.starts_with("https://127.0.0.1:"), "{}", stoa.url);
    let answer = curl(&ca, &[&format!("{}/health/ready", stoa.url)]);
    assert!(answer.starts_with("HTTP/2 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    // A session's cookie is for https alone.
    let registered = curl(
        &ca,
        &[
            "-H",
            "content-type: application/json",
            "-d",
            r#"{"email":"ada@example.com","password":"correct horse battery staple","first_name":"Ada","last_name":"Lovelace"}"#,
            &format!("{}/api/v1/auth/register", stoa.url),
        ],
    );
    assert!(registered.starts_with("HTTP/2 201"), "{registered}");
    for cookie in registered.lines().filter(|line| line.starts_with("set-cookie:")) {
        assert!(cookie.contains("Secure"), "{cookie}");
    }
    // It asks an address, whatever names the certificate has; what the settings say goes for it too.
    let address = stoa.url.trim_start_matches("https://");
    let set = |key: &str, value: &str| (format!("STOA_SERVER__{key}"), value.to_owned());
    let settings = [
        set("LISTEN", address),
        set("TLS__CERTIFICATE", certificate.to_str().unwrap()),
        set("TLS__KEY", key.to_str().unwrap()),
    ];
    for (args, settings) in [
        (vec!["health"], &settings[..]),
        (vec!["health", "--live"], &settings[..]),
        (vec!["health", "--at", stoa.url.as_str()], &[]),
    ] {
        let asked = run_with(&data_dir, &args, settings);
        assert!(asked.status.success(), "{args:?}: {asked:?}");
    }
    let plainly = run_with(&data_dir, &["health", "--at", address], &[]);
    assert_eq!(plainly.status.code(), Some(1), "{plainly:?}");
    let metrics = curl(&ca, &[&format!("{}/metrics", stoa.url)]);
    let expires = metrics
        .lines()
        .find_map(|line| line.strip_prefix("stoa_tls_certificate_expires_seconds{section=\"server.tls\"} "));
    let expires: f64 = expires.expect("the gauge is there").parse().unwrap();
    assert!(expires > 1.7e9, "{expires}");
    let moved = curl(&ca, &[&format!("http://{plain}/api/docs?x=1")]);
    assert!(moved.starts_with("HTTP/1.1 308"), "{moved}");
    assert!(
        moved.contains(&format!("location: {}/api/docs?x=1", stoa.url)),
        "{moved}"
    );
    assert!(stoa.terminate().success());
}

#[test]
fn wrong_files_stop_the_start_and_the_setting_is_named() {
    let (scratch, data_dir) = folder();
    let authority = Authority::new("test");
    let (certificate, key) = authority.issue(&["localhost"]).write(scratch.path(), "one");
    let (_, other) = authority.issue(&["localhost"]).write(scratch.path(), "other");
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    for (settings, words) in [
        (
            vec![("CERTIFICATE", "/nowhere.crt"), ("KEY", key)],
            "server.tls.certificate (/nowhere.crt): No such file",
        ),
        (
            vec![("CERTIFICATE", certificate), ("KEY", "/nowhere.key")],
            "server.tls.key (/nowhere.key): No such file",
        ),
        (vec![("CERTIFICATE", certificate)], "server.tls.key is not"),
        (
            vec![("CERTIFICATE", certificate), ("KEY", other.to_str().unwrap())],
            "it is not the key of the certificate",
        ),
        (
            vec![("CERTIFICATE", key), ("KEY", key)],
            "there is no certificate in it",
        ),
        (
            vec![("CERTIFICATE", certificate), ("KEY", certificate)],
            "there is no private key in it",
        ),
        (
            vec![("FOLDER", "/nowhere")],
            "server.tls.folder (/nowhere): No such file",
        ),
        (
            vec![("REDIRECT_LISTEN", "127.0.0.1:0")],
            "server.tls.redirect_listen is set",
        ),
        (vec![("MIN_VERSION", "1.1")], "server.tls.min_version"),
    ] {
        let settings: Vec<_> = settings
            .into_iter()
            .map(|(key, value)| (format!("STOA_SERVER__TLS__{key}"), value.to_owned()))
            .collect();
        let ended = run_with(&data_dir, &["serve", "--listen", "127.0.0.1:0"], &settings);
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{settings:?}");
        assert!(said.contains(words), "{settings:?}: {said}");
    }
}
