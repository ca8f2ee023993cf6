//! The environment of this process, read in one place.

use super::error::{Error, ErrorCode, Result};

/// A variable's value, if it is set, not empty, and UTF-8.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The program that runs: irctl. One that was replaced meanwhile is still reached, as the kernel holds it.
///
/// # Errors
/// A system that does not say which program runs, or a path that is not UTF-8.
pub fn executable() -> Result<String> {
    let path = std::env::current_exe().map_err(|error| Error::io("cannot find irctl itself", error))?;
    if !path.exists() {
        return Ok("/proc/self/exe".to_owned());
    }
    path.into_os_string().into_string().map_err(|path| {
        let shown = path.to_string_lossy().escape_debug().to_string();
        Error::new(ErrorCode::InvalidData, format!("irctl stands at a path that is no text: {shown}"))
            .hint("put it where the path is plain text, as /usr/local/bin/irctl")
    })
}
