//! `stoa serve`.

use std::{net::SocketAddr, process::ExitCode};

use crate::{
    lifecycle,
    mount::Error,
    services::{KnownService, Services},
    settings::SettingsArgs,
};

/// Serve all services, or those named by --only
///
/// SIGTERM and Ctrl-C stop it in order. SIGHUP reads the certificates and the log level (telemetry.log) again.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Services to run, such as auth,users [default: all]
    #[arg(long, value_delimiter = ',', value_name = "SERVICES")]
    only: Vec<KnownService>,
    /// Address and port to listen on [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

impl Serve {
    pub(crate) async fn run(self, settings: &SettingsArgs) -> Result<ExitCode, Error> {
        let services = Services::of(&self.only);
        let (listen, args, files) = (self.listen, settings.clone(), settings.files());
        let load = move || {
            let flags = listen.map(|address| ("server.listen".to_owned(), address.to_string().into()));
            args.load(flags.into_iter().collect())
        };
        let settings = load()?;
        lifecycle::run(&settings, &services, &files, load).await?;
        Ok(ExitCode::SUCCESS)
    }
}
