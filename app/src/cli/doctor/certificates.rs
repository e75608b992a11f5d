//! How long certificates are still good.

use std::path::Path;

use stoa_acme::Acme;
use stoa_config::Settings;
use stoa_kernel::{Clock, Timestamp};
use stoa_rpc::RpcConfig;
use stoa_tls::Found;

use super::Report;
use crate::{
    mount::Error,
    settings::{ServerConfig, TlsConfig},
};

/// So many days before its end a certificate should have been renewed.
const SOON: i64 = 14;

pub(super) fn look(report: &mut Report, settings: &Settings, server: &ServerConfig) {
    if server.tls.is_on() {
        certificates(report, "server.tls", public(&server.tls));
        if server.tls.acme.is_on() {
            obtained(report, &server.tls, &server.data_dir);
        }
    }
    certificates(report, "rpc.tls", between(settings));
}

fn public(config: &TlsConfig) -> Result<Vec<Found>, Error> {
    Ok(config.source()?.look()?)
}

fn between(settings: &Settings) -> Result<Vec<Found>, Error> {
    let config: RpcConfig = settings.section("rpc")?;
    let files = config.tls_files()?;
    Ok(files.map(|files| files.look()).transpose()?.into_iter().collect())
}

fn certificates(report: &mut Report, section: &str, found: Result<Vec<Found>, Error>) {
    match found {
        Err(error) => report.add(section, Err::<String, _>(error)),
        Ok(all) => {
            for one in all {
                let what = format!("{section} {} for {}", one.file.display(), one.names.join(", "));
                let until = one.validity.map_or(Timestamp::MAX, |validity| validity.until);
                tell(report, &what, until);
            }
        }
    }
}

fn obtained(report: &mut Report, config: &TlsConfig, data_dir: &Path) {
    let what = format!("server.tls.acme for {}", config.acme.domains.join(", "));
    match Acme::kept_until(&config.acme, &data_dir.join("acme")) {
        Some(until) => tell(report, &what, until),
        None => report.add(&what, Ok::<_, Error>("none yet; `stoa serve` obtains it")),
    }
}

fn tell(report: &mut Report, what: &str, until: Timestamp) {
    let days = until.duration_since(Clock::system().now()).as_hours() / 24;
    if until < Clock::system().now() {
        report.add(
            what,
            Err::<String, _>(format!("expired on {until}; clients refuse it")),
        );
    } else if days < SOON {
        Report::warn(
            what,
            format!("ends in {days} days, on {until}: see that it is renewed"),
        );
    } else {
        report.add(what, Ok::<_, Error>(format!("good for {days} more days")));
    }
}
