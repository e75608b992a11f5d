//! The OpenAPI document of the whole product.

use std::process::ExitCode;

use stoa_config::Settings;

use crate::{
    assemble,
    cli::say,
    mount::{self, Error, Platform},
    services::Services,
    settings::{self, ServerConfig},
};

/// Prints the document, from services mounted with the default settings on a folder that is thrown away.
pub(crate) async fn print() -> Result<ExitCode, Error> {
    let folder = tempfile::tempdir()?;
    let settings = Settings::load(settings::schema()?, None, std::iter::empty(), Vec::new())?;
    let server: ServerConfig = settings.section("server")?;
    let listening = server.listen.to_string();
    let platform = Platform::aside(&settings, &server, folder.path(), &listening)?;
    let mut mounted = mount::services(&platform, &settings, &Services::of(&[]), folder.path()).await?;
    let (_, openapi) = assemble::routes(assemble::pages(&settings, &platform)?, &mut mounted, &[]);
    say(stoa_http::openapi::to_pretty_json(&openapi)?);
    Ok(ExitCode::SUCCESS)
}
