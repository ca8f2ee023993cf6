//! Files of the state directory that only save time: of one format, with a digest over all of it, and as good as none
//! when anything about them is not as it was written.

use std::path::Path;

use crate::base::{Digest, Error, ErrorCode, Result, file};
use crate::operation::directory;

/// What such a file begins with; another format is another word.
pub type Magic = [u8; 8];

/// Bytes of the digest at the end.
const SUM: usize = 32;

/// What stands in a file between its first word and its digest; `None` for anything but a whole file of this format.
pub fn load(path: &Path, magic: &Magic, most: usize) -> Option<Vec<u8>> {
    let limit = (magic.len() + most + SUM) as u64;
    let mut bytes = file::read_limited(path, limit).ok()?;
    let (body, sum) = bytes.split_last_chunk::<SUM>()?;
    if !body.starts_with(magic) || Digest::of(body).bytes()? != *sum {
        return None;
    }
    bytes.truncate(bytes.len() - SUM);
    Some(bytes.split_off(magic.len()))
}

/// Writes a file that [`load`] reads; the state directory is made where it does not stand yet.
pub fn keep(path: &Path, magic: &Magic, body: &[u8]) -> Result<()> {
    let mut bytes = Vec::with_capacity(magic.len() + body.len() + SUM);
    bytes.extend_from_slice(magic);
    bytes.extend_from_slice(body);
    let sum = Digest::of(&bytes).bytes();
    bytes.extend_from_slice(&sum.ok_or_else(|| Error::new(ErrorCode::Bug, "a digest that has no 32 bytes"))?);
    directory::make(file::parent(path))?;
    file::replace(path, &bytes, 0o600)
}

/// The next bytes of a record.
pub fn next<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(first)
}
