use stoa_config::Settings;

use crate::load;

#[test]
fn the_settings_in_force_are_printed_with_the_origin_of_what_was_changed() {
    let env = [
        ("STOA_GATEWAY__MAX_BODY", "1"),
        ("STOA_SERVER__LISTEN", "127.0.0.1:3000"),
        ("STOA_MAIL__URL", "smtp://ada:s3cret@mx.example"),
        ("STOA_AUTH__CLIENT_SECRET", "s3cret"),
    ];
    let settings = load("", &env, &[("gateway.proxies", vec!["::1"].into())]).unwrap();
    let expected = r#"[server]
listen = "127.0.0.1:3000"

[gateway]
max_body = 1 # from STOA_GATEWAY__MAX_BODY in the environment
trace_ratio = 1.0
access_log = true
proxies = ["::1"] # from the command line

[gateway.rate_limit]
per_address = "200/s"
per_user = "100/s"
per_route = ["POST /a 5/m"]

[auth]
token_lifetime = "1h"
client_secret = "***" # from STOA_AUTH__CLIENT_SECRET in the environment

[mail]
url = "smtp://ada:***@mx.example" # from STOA_MAIL__URL in the environment
"#;
    assert_eq!(settings.print(true), expected);
    assert!(!settings.print(false).contains('#'));
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn what_is_printed_can_be_read_as_a_settings_file() {
    let settings = load("[gateway]\nmax_body = 7", &[], &[]).unwrap();
    let again = load(&settings.print(true), &[], &[]).unwrap();
    assert_eq!(again.print(false), settings.print(false));
}

#[test]
fn the_shipped_defaults_can_be_read() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../stoa.default.toml");
    let text = std::fs::read_to_string(shipped).unwrap();
    let settings = Settings::load(text.as_str(), None, std::iter::empty(), Vec::new()).unwrap();
    let printed = settings.print(true);
    assert!(
        printed.contains("[gateway.rate_limit]\n") && !printed.contains('#'),
        "{printed}"
    );
}
