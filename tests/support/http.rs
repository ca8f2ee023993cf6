//! A small HTTP server whose answers a test writes.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A request as it came: its first line, its headers in lower case, its body.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST /path HTTP/1.1`
    pub line: String,
    /// Each header as `name: value`, the name in lower case.
    pub headers: Vec<String>,
    /// The body.
    pub body: String,
}

impl Request {
    /// A field of the form in the body, decoded.
    pub fn field(&self, name: &str) -> Option<String> {
        let pair = self.body.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
        let (mut out, mut rest) = (Vec::new(), pair.bytes());
        while let Some(byte) = rest.next() {
            out.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                other => other,
            });
        }
        String::from_utf8(out).ok()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

/// A server that is gone when it is dropped.
pub struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    over: Arc<AtomicBool>,
}

impl Server {
    /// Answers every request with what `answer` says: a status and a body. A status of 0 closes the connection; the body of
    /// a redirect is where it leads.
    pub fn start(answer: impl Fn(&Request, usize) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::serve(None, answer)
    }

    /// The same over TLS.
    pub fn start_tls(
        tls: Arc<rustls::ServerConfig>,
        answer: impl Fn(&Request, usize) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Some(tls), answer)
    }

    fn serve(
        tls: Option<Arc<rustls::ServerConfig>>,
        answer: impl Fn(&Request, usize) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (requests, stop) = (Arc::clone(&seen), Arc::clone(&over));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let mut stream: Box<dyn Stream> = match &tls {
                    Some(tls) => {
                        let connection = rustls::ServerConnection::new(Arc::clone(tls)).unwrap();
                        Box::new(rustls::StreamOwned::new(connection, stream))
                    }
                    None => Box::new(stream),
                };
                let Some(request) = read(&mut *stream) else { continue };
                let number = {
                    let mut requests = requests.lock().unwrap();
                    requests.push(request.clone());
                    requests.len() - 1
                };
                let (status, body) = answer(&request, number);
                if status > 0 {
                    let leads = if (300..400).contains(&status) {
                        format!("location: {body}\r\n")
                    } else {
                        String::new()
                    };
                    let head = format!(
                        "HTTP/1.1 {status} X\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\n\
                         {leads}connection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = stream
                        .write_all(head.as_bytes())
                        .and_then(|()| stream.write_all(body.as_bytes()))
                        .and_then(|()| stream.flush());
                }
            }
        });
        Self { address, seen, over }
    }

    /// Its host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// What is read from and written to.
trait Stream: std::io::Read + std::io::Write {}

impl<T: std::io::Read + std::io::Write> Stream for T {}

fn read(stream: &mut dyn Stream) -> Option<Request> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        let read = stream.read(&mut buffer).ok()?;
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines();
            let line = lines.next()?.to_owned();
            let headers: Vec<String> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| format!("{}: {}", name.to_ascii_lowercase(), value.trim()))
                .collect();
            let length = headers.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(Request { line, headers, body: body.to_owned() });
            }
        }
        if read == 0 {
            return None;
        }
    }
}
