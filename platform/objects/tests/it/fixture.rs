//! A store of the test's own on each engine. The server is shared by the tests that run at the same time.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use stoa_engines::S3;
use stoa_objects::{Objects, ObjectsConfig};
use tempfile::TempDir;

/// A store, and what it stands on.
pub(crate) struct Fixture {
    pub(crate) objects: Objects,
    folder: TempDir,
    server: Option<Arc<S3>>,
    /// What its keys begin with in the bucket that the tests share.
    prefix: String,
}

impl Fixture {
    pub(crate) async fn folder() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("objects");
        let objects = Objects::open(&ObjectsConfig::default(), &path).await;
        Self {
            objects: objects.unwrap(),
            folder,
            server: None,
            prefix: String::new(),
        }
    }

    /// The bucket in the path: `http://127.0.0.1:port/stoa/…`.
    pub(crate) async fn path_style() -> Self {
        let server = server().await;
        let prefix = prefix();
        let config = config(&server, &format!("s3://stoa/{prefix}"));
        Self::on(server, &config, prefix).await
    }

    /// The bucket in the host's name: `http://stoa.localhost:port/…`.
    pub(crate) async fn virtual_host() -> Self {
        let server = server().await;
        let prefix = prefix();
        let config = ObjectsConfig {
            endpoint: format!("http://localhost:{}", server.port()),
            virtual_host_style: true,
            ..config(&server, &format!("s3://stoa/{prefix}"))
        };
        Self::on(server, &config, prefix).await
    }

    /// A whole bucket, without a prefix.
    pub(crate) async fn bucket() -> Self {
        let server = server().await;
        let name = prefix();
        let made = Arc::clone(&server);
        let bucket = name.clone();
        blocking(move || made.make_bucket(&bucket)).await;
        let config = config(&server, &format!("s3://{name}"));
        Self::on(server, &config, String::new()).await
    }

    async fn on(server: Arc<S3>, config: &ObjectsConfig, prefix: String) -> Self {
        let objects = Objects::open(config, Path::new("/nowhere")).await;
        Self {
            objects: objects.unwrap(),
            folder: TempDir::new().unwrap(),
            server: Some(server),
            prefix,
        }
    }

    /// What uploads left behind that were begun and not completed.
    pub(crate) async fn unfinished(&self, key: &str) -> usize {
        let Some(server) = &self.server else {
            let files = std::fs::read_dir(self.folder.path().join("objects")).unwrap();
            let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
            return names.filter(|name| name.starts_with(key) && name != key).count();
        };
        let address = format!("127.0.0.1:{}", server.port());
        let text = blocking(move || get(&address, "/stoa?uploads")).await;
        assert!(text.contains("ListMultipartUploadsResult"), "{text}");
        text.matches(&format!(">{}/{key}</Key>", self.prefix)).count()
    }
}

pub(crate) async fn server() -> Arc<S3> {
    static SHARED: Mutex<Weak<S3>> = Mutex::new(Weak::new());
    blocking(|| {
        let mut running = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let server = Arc::new(S3::start());
            *running = Arc::downgrade(&server);
            server
        })
    })
    .await
}

pub(crate) fn config(server: &S3, url: &str) -> ObjectsConfig {
    ObjectsConfig {
        url: url.to_owned(),
        endpoint: server.endpoint(),
        region: "us-east-1".to_owned(),
        access_key_id: "test-key".to_owned(),
        secret_access_key: "test-secret".to_owned(),
        virtual_host_style: false,
    }
}

pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// One plain request, without a signature.
pub(crate) fn get(address: &str, path: &str) -> String {
    send(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"),
    )
}

pub(crate) fn send(address: &str, request: &str) -> String {
    use std::io::{Read, Write};

    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// A name that no other test has.
fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Makes a test of each story for each engine.
macro_rules! on_every_engine {
    ($($story:ident),* $(,)?) => {
        on_every_engine!(@ folder: $($story),*);
        on_every_engine!(@ path_style: $($story),*);
        on_every_engine!(@ virtual_host: $($story),*);
    };
    (@ $engine:ident: $($story:ident),*) => {
        mod $engine {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    super::$story(crate::fixture::Fixture::$engine().await).await;
                }
            )*
        }
    };
}
pub(crate) use on_every_engine;
