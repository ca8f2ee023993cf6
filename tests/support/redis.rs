//! A real Redis on a unix socket, in a directory that goes away with it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running server.
pub struct RedisServer {
    directory: tempfile::TempDir,
    child: Child,
    /// The port it listens on; 0 for none.
    pub port: u16,
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl RedisServer {
    /// Starts one with these further arguments.
    pub fn start(arguments: &[&str]) -> Self {
        Self::listening(0, arguments)
    }

    /// Starts one that also listens on a free TCP port.
    pub fn on_a_port(arguments: &[&str]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::listening(port, arguments)
    }

    fn listening(port: u16, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let port_text = port.to_string();
        let child = Command::new("redis-server")
            .args(["--port", if arguments.contains(&"--tls-port") { "0" } else { &port_text }])
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(directory.path())
            .args(arguments.iter().map(|argument| if *argument == "PORT" { &port_text } else { *argument }))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is needed (Debian, Ubuntu: apt-get install redis-server)");
        let server = Self { directory, child, port };
        for _ in 0..1000 {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
                return server;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("redis-server did not start");
    }

    /// The folder it lives in.
    pub fn folder(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("unix://{}", self.directory.path().join("socket").display())
    }

    /// The address in a file, as a reference to a secret.
    pub fn secret(&self) -> String {
        let path = self.directory.path().join("url");
        std::fs::write(&path, self.url()).unwrap();
        format!("file:{}", path.display())
    }

    /// A connection to it.
    pub fn connect(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// Sends a command.
    pub fn run<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut self.connect()).unwrap()
    }

    /// Every key with its type, its value and when it expires.
    pub fn everything(&self) -> String {
        let mut keys: Vec<String> = self.run(&["KEYS", "*"]);
        keys.sort();
        let each = keys.iter().map(|key| {
            let kind: String = self.run(&["TYPE", key]);
            let value = match kind.as_str() {
                "string" => self.run::<String>(&["GET", key]),
                "hash" => {
                    let mut pairs: Vec<(String, String)> = self.run(&["HGETALL", key]);
                    pairs.sort();
                    format!("{pairs:?}")
                }
                "set" => {
                    let mut members: Vec<String> = self.run(&["SMEMBERS", key]);
                    members.sort();
                    format!("{members:?}")
                }
                "zset" => format!("{:?}", self.run::<Vec<String>>(&["ZRANGE", key, "0", "-1", "WITHSCORES"])),
                "list" => format!("{:?}", self.run::<Vec<String>>(&["LRANGE", key, "0", "-1"])),
                "stream" => format!("{:?}", self.run::<redis::Value>(&["XRANGE", key, "-", "+"])),
                other => panic!("{other}"),
            };
            format!("{key} {kind} {value} {}", self.run::<i64>(&["PEXPIRETIME", key]))
        });
        each.collect::<Vec<_>>().join("\n")
    }
}
