//! Where the database may stand: a private directory on a local file system.

use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use crate::base::{Error, ErrorCode, Result};

/// Magic numbers of network file systems, from `statfs(2)` and the kernel's `magic.h`.
const NETWORK: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x0102_1997, "9p"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0116_1970, "GFS2"),
];

/// Makes the directory (0700) if it is not there, and refuses one that is not safe.
pub fn prepare(directory: &Path) -> Result<()> {
    let unusable = |why: String| {
        Error::new(ErrorCode::StateDirectory, format!("the state directory {} {why}", directory.display()))
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| {
        unusable(format!("cannot be made: {error}"))
            .hint("set `state:` in config/irctl.yaml to a place you own")
    })?;
    let metadata = fs_err::metadata(directory)?;
    let mode = metadata.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(unusable(format!("is open to everybody (mode {:04o})", mode & 0o7777))
            .hint(format!("chmod o-rwx {}", directory.display())));
    }
    let kind =
        rustix::fs::statfs(directory).map_err(|error| unusable(format!("cannot be examined: {error}")))?;
    // The field's width differs between platforms; the numbers themselves have 32 bits.
    let magic = (kind.f_type as u64 & 0xffff_ffff) as u32;
    if let Some((_, name)) = NETWORK.iter().find(|(number, _)| *number == magic) {
        return Err(unusable(format!(
            "is on a network file system ({name}), where file locks cannot be trusted"
        ))
        .hint("set `state:` in config/irctl.yaml to a local disk"));
    }
    Ok(())
}

/// Makes the file so that only its owner (and the directory's group, if that may write there) can read it.
pub fn create_private(directory: &Path, path: &Path) -> Result<()> {
    let group = fs_err::metadata(directory)?.permissions().mode() & 0o020 != 0;
    let mode = if group { 0o660 } else { 0o600 };
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        Ok(_) => {
            fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
            crate::base::file::sync_directory(directory)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            Err(Error::new(ErrorCode::StateDirectory, format!("cannot make {}: {error}", path.display()))
                .hint("check the owner and the permissions of the state directory, and the free space"))
        }
    }
}

/// Waits for, and takes, the lock under which the schema is laid out. It is given back when the file is dropped.
pub fn lock(directory: &Path) -> Result<std::fs::File> {
    let path = directory.join("irctl.lock");
    let failed = |error: std::io::Error| {
        Error::new(ErrorCode::StateDirectory, format!("cannot lock {}: {error}", path.display()))
    };
    let file =
        std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}
