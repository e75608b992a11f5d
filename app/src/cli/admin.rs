//! `stoa admin create`.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

use clap::Subcommand;
use stoa_auth::{AdminError, Existing, create_admin};
use stoa_kernel::random;

use super::say;
use crate::{
    mount::{self, Error, Platform},
    services::{KnownService, Services},
    settings::{ServerConfig, SettingsArgs},
};

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Make an account with the role admin
    ///
    /// May run beside a serving stoa. The password is read from the first line of standard input; on a terminal, and with
    /// nothing typed, one is made and printed once. An address that has an account already is refused, for anybody may have
    /// registered it; with --take-over the account becomes yours.
    Create {
        /// E-mail address of the account
        #[arg(long)]
        email: String,
        /// Take over the account if there is one: set its password, and end its sessions, API keys and second factor
        #[arg(long)]
        take_over: bool,
    },
}

impl AdminCommand {
    pub(crate) async fn run(self, args: &SettingsArgs) -> Result<ExitCode, Error> {
        let Self::Create { email, take_over } = self;
        let settings = args.load(Vec::new())?;
        let server: ServerConfig = settings.section("server")?;
        let data_dir = server.data_dir.clone();
        let listening = server.listen.to_string();
        let platform = Platform::aside(&settings, &server, &data_dir, &listening)?;
        let auth = Services::of(&[KnownService::AUTH]);
        let mounted = mount::services(&platform, &settings, &auth, &data_dir).await?;
        stoa_mount::migrate(&mounted).await?;
        let (password, made) = password()?;
        let db = mounted
            .first()
            .map(|one| one.db.clone())
            .ok_or("auth is not mounted")?;
        let existing = if take_over {
            Existing::TakeOver
        } else {
            Existing::Refuse
        };
        let admin = create_admin(&db, &settings.section("auth")?, &email, &password, existing).await;
        db.close().await;
        let admin = admin.map_err(|error| match error {
            AdminError::HasAccount => format!(
                "{error}: use --take-over to set its password, end its sessions, API keys and second factor, and make it an \
                 administrator; to leave them as they are, let an administrator give it the role"
            ),
            AdminError::Other(_) => error.to_string(),
        })?;
        let taken = if admin.created {
            ""
        } else {
            " The account was taken over: its sessions, API keys and second factor have ended."
        };
        let shown = if made {
            format!(" Password, shown once: {password}")
        } else {
            String::new()
        };
        say(format!("{email} is an administrator.{taken}{shown}"));
        Ok(ExitCode::SUCCESS)
    }
}

/// The password from standard input, or one made up (then `true`).
fn password() -> io::Result<(String, bool)> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        write!(
            io::stderr(),
            "Password (it will be shown; leave empty to have one made): "
        )?;
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    let typed = line.trim_end_matches(['\r', '\n']);
    Ok(if typed.is_empty() {
        (random::token::<15>(), true)
    } else {
        (typed.to_owned(), false)
    })
}
