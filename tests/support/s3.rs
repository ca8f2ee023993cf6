//! A real S3 server (the s3s crates) over a folder, on a free port, in this process. Its buckets are folders and its
//! objects are files.

#![allow(dead_code)] // Each test program uses a part of it.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Error, S3ErrorCode, S3Result};
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, UNIX_EPOCH};

/// Who may ask.
pub const KEY: &str = "key-of-the-probe";

/// What proves it.
pub const SECRET: &str = "hunter2-of-the-probe";

/// The bucket that nobody may look into.
pub const DENIED: &str = "denied";

/// A running server. It ends with the process.
pub struct S3Server {
    /// Its port on 127.0.0.1.
    pub port: u16,
    folder: tempfile::TempDir,
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = S3Result<T>> + Send + 'a>>;

/// Knows one key; others are of sessions that have ended, and of machines whose clocks are wrong.
struct Keys;

impl S3Auth for Keys {
    fn get_secret_key<'life0, 'life1, 'async_trait>(
        &'life0 self,
        access_key: &'life1 str,
    ) -> Answer<'async_trait, SecretKey>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        let refused = |code, words: &'static str| Err(S3Error::with_message(code, words));
        let known = match access_key {
            KEY => Ok(SecretKey::from(SECRET)),
            "ended" => {
                refused(S3ErrorCode::ExpiredToken, "The provided token has expired: hunter2-of-a-session")
            }
            "skewed" => refused(
                S3ErrorCode::RequestTimeTooSkewed,
                "The difference between the request time and the current time is too large.",
            ),
            "busy" => refused(S3ErrorCode::SlowDown, "Please reduce your request rate."),
            _ => refused(S3ErrorCode::InvalidAccessKeyId, "The access key does not exist in our records."),
        };
        Box::pin(async move { known })
    }
}

struct Rules;

impl S3Access for Rules {
    fn check<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        context: &'life1 mut S3AccessContext<'life2>,
    ) -> Answer<'async_trait, ()>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        let bucket = context.s3_path().get_bucket_name().map(str::to_owned);
        let signed = context.credentials().is_some();
        Box::pin(async move {
            match bucket.as_deref() {
                Some(DENIED) => Err(S3Error::with_message(
                    S3ErrorCode::AccessDenied,
                    "User: arn:aws:iam::1:user/probe is not authorized to perform: s3:ListBucket",
                )),
                Some("public") => Ok(()),
                _ if signed => Ok(()),
                _ => Err(S3Error::with_message(S3ErrorCode::AccessDenied, "Signature is required")),
            }
        })
    }
}

impl S3Server {
    /// Starts one with empty buckets.
    pub fn start(buckets: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for bucket in buckets {
            std::fs::create_dir(folder.path().join(bucket)).unwrap();
        }
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(Keys);
        builder.set_access(Rules);
        let service = builder.build();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let Ok((stream, _)) = listener.accept().await else { continue };
                    let service = service.clone();
                    tokio::spawn(async move {
                        let builder = Builder::new(TokioExecutor::new());
                        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                    });
                }
            });
        });
        Self { port, folder }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Puts an object of so many bytes there that was written at that second.
    pub fn put(&self, bucket: &str, key: &str, bytes: usize, second: u64) {
        let path = self.folder.path().join(bucket).join(key);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(&path, vec![b'x'; bytes]).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(second)).unwrap();
    }
}
