//! What a newcomer sees first.

use std::path::Path;

use stoa_mail::DevMailbox;

use crate::{
    cli::say,
    roles::{Role, Roles},
};

pub(crate) fn print(mailbox: Option<&DevMailbox>, roles: &Roles, url: &str, data_dir: &Path) {
    let data = data_dir.display();
    let mail = mailbox.map_or_else(String::new, |mailbox| {
        format!(
            "  Mail    {url}{}\n          (kept here while no SMTP server is set)\n",
            mailbox.path
        )
    });
    // Accounts are in the database of auth: only where auth runs do these settings lead to it.
    let admin = if roles.has(Role::Auth) {
        format!("  To become administrator:  stoa --data-dir {data} admin create --email you@example.com\n")
    } else {
        String::new()
    };
    say(format!(
        "\n  Stoa {version} is serving {services}\n\n  API     {url}/api/v1\n  Docs    {url}/api/docs\n  Health  {url}/health\n{mail}  Data    {data}\n\n\
         {admin}  To stop:                  Ctrl-C\n",
        version = env!("CARGO_PKG_VERSION"),
        services = roles.names().join(", "),
    ));
}
