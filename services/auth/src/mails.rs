//! The mails that are sent, and their wording.

use minijinja::{AutoEscape, Environment, HtmlEscape, Output, State, Value, context};
use serde::{Deserialize, Serialize};
use stoa_kernel::OrganizationRole;
use stoa_mail::{Headers, Mail};

use crate::ctx::Ctx;

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MailKind {
    /// A link that shows that the address is theirs.
    VerifyEmail,
    /// A link to a new password.
    ResetPassword,
    /// Their password was changed.
    PasswordChanged,
    /// Somebody has guessed at their password or their codes too often.
    GuessesLimited,
    /// An API key was made.
    ApiKeyCreated,
    /// All API keys were removed.
    ApiKeysEnded,
    /// A second factor was set up.
    TotpEnabled,
    /// The second factor was removed.
    TotpDisabled,
    /// Recovery codes were made in the place of those of before.
    RecoveryCodesRenewed,
    /// A link by which they become a member of an organization.
    Invitation,
    /// A link that lets people of their domain join an organization.
    Domain,
    /// An organization of theirs has one more owner.
    OwnerAdded,
    /// An organization of theirs has one owner less.
    OwnerRemoved,
    /// An organization of theirs was deleted.
    OrganizationDeleted,
    /// People of a domain can join an organization of theirs.
    DomainVerified,
    /// API keys of an organization of theirs ended with the password of who made them.
    OrganizationKeysEnded,
}

impl MailKind {
    /// The name of its templates: all mails that only tell what happened have the same.
    fn template(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::GuessesLimited => "guesses_limited",
            Self::Invitation => "invitation",
            Self::Domain => "domain",
            kind if kind.is_about_organization() => "organization_notice",
            _ => "notice",
        }
    }

    /// Whether it holds the name of an organization, which may be a stranger's.
    pub(crate) fn is_about_organization(self) -> bool {
        matches!(
            self,
            Self::Invitation
                | Self::Domain
                | Self::OwnerAdded
                | Self::OwnerRemoved
                | Self::OrganizationDeleted
                | Self::DomainVerified
                | Self::OrganizationKeysEnded
        )
    }

    fn subject(self, content: &Content) -> String {
        let Content {
            product,
            organization,
            domain,
            ..
        } = content;
        match self {
            Self::VerifyEmail => format!("Verify your e-mail address for {product}"),
            Self::ResetPassword => format!("Choose a new password for {product}"),
            Self::PasswordChanged => format!("Your password for {product} was changed"),
            Self::GuessesLimited => format!("Somebody is trying to get into your account at {product}"),
            Self::ApiKeyCreated => format!("An API key was made for {product}"),
            Self::ApiKeysEnded => format!("Your API keys for {product} were removed"),
            Self::TotpEnabled => format!("A second factor was set up for {product}"),
            Self::TotpDisabled => format!("Your second factor for {product} was removed"),
            Self::RecoveryCodesRenewed => format!("New recovery codes were made for {product}"),
            Self::Invitation => format!("You are invited to {organization} at {product}"),
            Self::Domain => format!("May people of {domain} join {organization} at {product}?"),
            Self::OwnerAdded => format!("{organization} at {product} has a new owner"),
            Self::OwnerRemoved => format!("Somebody is no longer an owner of {organization} at {product}"),
            Self::DomainVerified => format!("People of {domain} can join {organization} at {product}"),
            Self::OrganizationKeysEnded => format!("API keys of {organization} at {product} were removed"),
            Self::OrganizationDeleted => format!("{organization} at {product} was deleted"),
        }
    }

    /// What happened, for a mail that only tells that.
    fn event(self, content: &Content) -> String {
        let Content { about, domain, .. } = content;
        let text = match self {
            Self::OwnerAdded => &format!("{about} is an owner now"),
            Self::OwnerRemoved => &format!("{about} is no longer an owner"),
            Self::OrganizationDeleted => &format!("{about} has deleted it"),
            Self::DomainVerified => {
                &format!("People with a verified address at {domain} can join it without an invitation")
            }
            Self::OrganizationKeysEnded => &format!(
                "{about} has chosen a new password, and the API keys that they had made for it were removed"
            ),
            Self::PasswordChanged => "The password was changed",
            Self::ApiKeyCreated => "An API key was made",
            Self::ApiKeysEnded => "All API keys were removed",
            Self::TotpEnabled => "A second factor was set up, and signing in now asks for its code",
            Self::TotpDisabled => "The second factor was removed, and signing in asks for no code any more",
            Self::RecoveryCodesRenewed => "New recovery codes were made, and the old ones no longer work",
            Self::VerifyEmail
            | Self::ResetPassword
            | Self::GuessesLimited
            | Self::Invitation
            | Self::Domain => "",
        };
        text.to_owned()
    }
}

/// Templates by their names.
const SOURCES: [(&str, &str); 16] = [
    ("layout.html", include_str!("../templates/layout.html")),
    ("page.html", include_str!("../templates/page.html")),
    ("verify_email.txt", include_str!("../templates/verify_email.txt")),
    (
        "verify_email.html",
        include_str!("../templates/verify_email.html"),
    ),
    (
        "reset_password.txt",
        include_str!("../templates/reset_password.txt"),
    ),
    (
        "reset_password.html",
        include_str!("../templates/reset_password.html"),
    ),
    (
        "guesses_limited.txt",
        include_str!("../templates/guesses_limited.txt"),
    ),
    (
        "guesses_limited.html",
        include_str!("../templates/guesses_limited.html"),
    ),
    ("invitation.txt", include_str!("../templates/invitation.txt")),
    ("invitation.html", include_str!("../templates/invitation.html")),
    ("domain.txt", include_str!("../templates/domain.txt")),
    ("domain.html", include_str!("../templates/domain.html")),
    (
        "organization_notice.txt",
        include_str!("../templates/organization_notice.txt"),
    ),
    (
        "organization_notice.html",
        include_str!("../templates/organization_notice.html"),
    ),
    ("notice.txt", include_str!("../templates/notice.txt")),
    ("notice.html", include_str!("../templates/notice.html")),
];

/// What a mail says beside its fixed words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    /// The name of the installation.
    pub(crate) product: String,
    /// The address that it is sent to.
    pub(crate) email: String,
    /// Where one asks for a new password.
    pub(crate) forgotten: String,
    /// Where the link leads; empty if there is none.
    pub(crate) link: String,
    /// How long the link works, in words.
    pub(crate) works_for: String,
    /// The organization that it is about; empty if it is about none, as what follows.
    pub(crate) organization: String,
    /// The address of the person who invites, or who did what it tells of.
    pub(crate) by: String,
    /// The address of the person to whom that was done.
    pub(crate) about: String,
    /// The role that is offered, with its article.
    pub(crate) role: String,
    /// The domain whose people may join.
    pub(crate) domain: String,
    /// Until when a deleted organization can be restored; empty for all others.
    pub(crate) purge_at: String,
}

impl Content {
    /// For a mail to this address, with nothing that is of one kind of mail alone.
    pub(crate) fn to(ctx: &Ctx, email: String) -> Self {
        Self {
            product: ctx.config.product_name.clone(),
            forgotten: format!("{}/auth/forgotten", ctx.public_url),
            email,
            ..Self::default()
        }
    }
}

/// The templates, read once.
pub(crate) struct Templates(Environment<'static>);

impl Templates {
    pub(crate) fn new() -> Result<Self, String> {
        let mut env = Environment::new();
        env.set_auto_escape_callback(|name| {
            if name.ends_with(".html") {
                AutoEscape::Html
            } else {
                AutoEscape::None
            }
        });
        env.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        env.set_formatter(escape);
        let broken = |e: minijinja::Error| format!("a mail template is broken: {e}");
        for (name, source) in SOURCES {
            env.add_template(name, source).map_err(broken)?;
        }
        Ok(Self(env))
    }

    /// The mail, named by `id`.
    pub(crate) fn mail(&self, kind: MailKind, id: String, content: &Content) -> Result<Mail, String> {
        let subject = kind.subject(content);
        let render = |kind_of: &str| {
            let template = self.0.get_template(&format!("{}.{kind_of}", kind.template()))?;
            let Content {
                product,
                email,
                link,
                works_for,
                organization,
                by,
                about,
                role,
                domain,
                purge_at,
                forgotten,
            } = content;
            template.render(context! { subject => &*subject, product => &**product, email => &**email, link => &**link, works_for => &**works_for, event => kind.event(content), organization => &**organization, by => &**by, about => &**about, role => &**role, domain => &**domain, purge_at => &**purge_at, forgotten => &**forgotten })
        };
        let failed = |e: minijinja::Error| format!("a mail cannot be written: {e}");
        let (text, html) = (render("txt").map_err(failed)?, render("html").map_err(failed)?);
        Ok(Mail {
            id,
            to: content.email.clone(),
            subject,
            text,
            html: Some(html),
            headers: Headers::new(),
        })
    }
}

impl Templates {
    /// A page that a link in a mail leads to.
    pub(crate) fn page(&self, content: Value) -> Result<String, String> {
        let rendered = self
            .0
            .get_template("page.html")
            .and_then(|page| page.render(content));
        rendered.map_err(|e| format!("a page cannot be written: {e}"))
    }
}

/// "a member", "an owner".
pub(crate) fn with_article(role: OrganizationRole) -> String {
    let name = role.name();
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {name}")
}

/// As minijinja escapes, but for slashes: programs that make links of the text of a mail do not know them when they are escaped.
fn escape(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if *state.auto_escape() == AutoEscape::Html && !value.is_safe() => {
            let escaped = HtmlEscape(text).to_string().replace("&#x2f;", "/");
            Ok(out.write_str(&escaped)?)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// A length of time in words: "2 days", "1 hour", "90 minutes".
pub(crate) fn in_words(time: std::time::Duration) -> String {
    let minutes = time.as_secs().div_ceil(60).max(1);
    let (count, unit) = match minutes {
        m if m % 1440 == 0 => (m / 1440, "day"),
        m if m % 60 == 0 => (m / 60, "hour"),
        m => (m, "minute"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ALL: [MailKind; 16] = [
        MailKind::VerifyEmail,
        MailKind::ResetPassword,
        MailKind::PasswordChanged,
        MailKind::GuessesLimited,
        MailKind::ApiKeyCreated,
        MailKind::ApiKeysEnded,
        MailKind::TotpEnabled,
        MailKind::TotpDisabled,
        MailKind::RecoveryCodesRenewed,
        MailKind::Invitation,
        MailKind::Domain,
        MailKind::OwnerAdded,
        MailKind::OwnerRemoved,
        MailKind::OrganizationDeleted,
        MailKind::DomainVerified,
        MailKind::OrganizationKeysEnded,
    ];

    fn mail(kind: MailKind, email: &str) -> Mail {
        let content = Content {
            product: "Stoa".to_owned(),
            forgotten: "https://stoa.example/auth/forgotten".to_owned(),
            email: email.to_owned(),
            link: "https://stoa.example/auth/verify?token=abc&x=1".to_owned(),
            works_for: "2 days".to_owned(),
            organization: "Analytical <Engines>".to_owned(),
            by: "charles@example.org".to_owned(),
            about: "mary@example.org".to_owned(),
            role: with_article(OrganizationRole::Admin),
            domain: "example.org".to_owned(),
            purge_at: match kind {
                MailKind::OrganizationDeleted => "1 May 2026, 12:00 UTC".to_owned(),
                _ => String::new(),
            },
        };
        Templates::new()
            .unwrap()
            .mail(kind, "1".to_owned(), &content)
            .unwrap()
    }

    #[test]
    fn what_mails_say() {
        for kind in ALL {
            let mail = mail(kind, "ada@example.org");
            let shown = format!(
                "To: {}\nSubject: {}\n\n{}\n----\n{}",
                mail.to,
                mail.subject,
                mail.text,
                mail.html.unwrap()
            );
            let name = serde_json::to_value(kind).unwrap();
            insta::assert_snapshot!(name.as_str().unwrap(), shown);
        }
    }

    #[test]
    fn an_address_cannot_write_html() {
        let mail = mail(MailKind::PasswordChanged, "<img>@example.org");
        assert!(mail.text.contains("<img>"));
        let html = mail.html.unwrap();
        assert!(
            html.contains("&lt;img&gt;@example.org") && !html.contains("<img"),
            "{html}"
        );
    }

    #[test]
    fn times_are_told_in_words() {
        let words = |minutes: u64| in_words(Duration::from_secs(minutes * 60));
        assert_eq!(
            [words(0), words(1), words(60), words(90), words(2880)],
            ["1 minute", "1 minute", "1 hour", "90 minutes", "2 days"]
        );
    }
}
