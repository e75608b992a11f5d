//! A mail server that can be away.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use stoa_kernel::Clock;
use stoa_mail::{MailConfig, Mailer};
use stoa_service::Env;

/// Clones are the same server.
#[derive(Clone, Default)]
pub(crate) struct MailServer {
    away: Arc<AtomicBool>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    /// Starts it, and has what `env` belongs to send by it. `more` goes to the end of its address.
    pub(crate) fn serve(&self, env: &mut Env, more: &str) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = MailConfig {
            url: format!("smtp://{}?tls=none{more}", listener.local_addr().unwrap()),
            ..MailConfig::default()
        };
        let clock: Clock = env.clock.clone();
        env.mailer = Mailer::new(
            &config,
            env.data_dir.join("mail"),
            &env.cache,
            &env.outbound,
            clock,
        )
        .unwrap();
        let server = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = server.clone();
                std::thread::spawn(move || server.talk(stream));
            }
        });
    }

    /// From now on it takes nothing, or does again.
    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// What it has taken, without the line breaks that mails have within long lines.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    fn talk(&self, stream: TcpStream) -> Option<()> {
        let mut write = stream.try_clone().ok()?;
        let mut lines = BufReader::new(stream).lines();
        write.write_all(b"220 mail ESMTP\r\n").ok()?;
        while let Some(line) = lines.next().and_then(Result::ok) {
            let answer = match line.split([' ', ':']).next()? {
                "EHLO" => "250-mail\r\n250 8BITMIME",
                "MAIL" if self.away.load(Ordering::SeqCst) => "451 4.3.0 come again later",
                "DATA" => {
                    write.write_all(b"354 go on\r\n").ok()?;
                    let mut mail = String::new();
                    while let Some(line) = lines.next().and_then(Result::ok).filter(|line| line != ".") {
                        mail.push_str(line.strip_suffix('=').unwrap_or(&format!("{line}\n")));
                    }
                    self.taken.lock().unwrap().push(mail.replace("=3D", "="));
                    "250 taken"
                }
                _ => "250 fine",
            };
            write.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
        }
        Some(())
    }
}
