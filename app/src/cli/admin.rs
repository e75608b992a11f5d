//! `stoa admin create`.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

use clap::Subcommand;
use stoa_kernel::random;

use super::say;
use crate::{
    mount::{self, Error, Platform},
    roles::{Role, Roles},
    settings::{ServerConfig, SettingsArgs},
};

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Make an account with the role admin, or give the role to an account that exists
    ///
    /// May run beside a serving stoa. The password is read from the first line of standard input; on a terminal, and with
    /// nothing typed, one is made and printed once. An account that exists keeps its password.
    Create {
        /// E-mail address of the account
        #[arg(long)]
        email: String,
    },
}

impl AdminCommand {
    pub(crate) async fn run(self, args: &SettingsArgs) -> Result<ExitCode, Error> {
        let Self::Create { email } = self;
        let settings = args.load(Vec::new())?;
        let server: ServerConfig = settings.section("server")?;
        let data_dir = server.data_dir.clone();
        let listening = server.listen.to_string();
        let platform = Platform::aside(&settings, &server, &data_dir, &listening)?;
        let auth = Roles::of(&[Role::Auth]);
        let mounted = mount::services(&platform, &settings, &auth, &data_dir).await?;
        mount::migrate(&mounted).await?;
        let (password, made) = password()?;
        let db = mounted
            .first()
            .map(|one| one.db.clone())
            .ok_or("auth is not mounted")?;
        let admin = stoa_auth::create_admin(&db, &settings.section("auth")?, &email, &password).await?;
        db.close().await;
        match (admin.created, made) {
            (true, true) => say(format!(
                "{email} is an administrator. Password, shown once: {password}"
            )),
            (true, false) => say(format!("{email} is an administrator.")),
            (false, _) => say(format!(
                "{email} had an account and is an administrator now; the password is unchanged."
            )),
        }
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
