//! A real systemd: a manager of its own with a `/run` of its own, with units made for the tests.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running manager; its socket lies in a folder that both sides see.
pub struct Manager {
    /// Where its socket, its home and its log lie.
    pub directory: tempfile::TempDir,
    child: Child,
    /// Managers of one machine share the control groups of their units: one at a time. Let go of last.
    _alone: std::fs::File,
}

impl Drop for Manager {
    fn drop(&mut self) {
        // Asked to end, it ends its units first.
        let process = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        for _ in 0..100 {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const UNITS: [(&str, &str); 4] = [
    ("advanced-monitoring", "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=default.target\n"),
    ("basic-monitoring", "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=default.target\n"),
    ("static-one", "[Service]\nExecStart=/bin/sleep 1000\n"),
    ("broken", "[Service]\nExecStart=/bin/false\nType=oneshot\n"),
];

impl Manager {
    /// Starts one; says why where this machine does not let it.
    pub fn start() -> Result<Self, String> {
        let alone = std::fs::File::create(std::env::temp_dir().join("irctl-test-systemd.lock")).unwrap();
        alone.lock().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for folder in ["run", "home", "home/.local/share/systemd/user"] {
            std::fs::create_dir_all(path(folder)).unwrap();
        }
        std::fs::set_permissions(path("run"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        for (name, text) in UNITS {
            std::fs::write(path(&format!("home/.local/share/systemd/user/{name}.service")), text).unwrap();
        }
        let program = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"]
            .into_iter()
            .find(|program| std::path::Path::new(program).exists())
            .ok_or("there is no systemd on this machine")?;
        // systemd asks /run whether the machine was booted with it.
        let script = format!(
            "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec {program} --user --log-target=console"
        );
        let log = std::fs::File::create(path("log")).unwrap();
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .env("HOME", path("home"))
            .env("XDG_RUNTIME_DIR", path("run"))
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let mut manager = Self { directory, child, _alone: alone };
        let begun = Instant::now();
        while !manager.control(&["list-units"]).0 {
            let log = std::fs::read_to_string(manager.directory.path().join("log")).unwrap_or_default();
            if manager.child.try_wait().unwrap().is_some() || begun.elapsed() > Duration::from_secs(20) {
                return Err(format!("it did not start: {}", log.trim()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        std::fs::write(manager.program(), manager.wrapper()).unwrap();
        std::fs::set_permissions(manager.program(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        Ok(manager)
    }

    fn wrapper(&self) -> String {
        let folder = self.directory.path().display();
        format!("#!/bin/sh\nHOME={folder}/home XDG_RUNTIME_DIR={folder}/run exec systemctl \"$@\"\n")
    }

    /// systemctl, led to this manager.
    pub fn program(&self) -> PathBuf {
        self.directory.path().join("systemctl")
    }

    /// Asks it something; whether that went well, and what it said.
    pub fn control(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("systemctl")
            .arg("--user")
            .args(arguments)
            .env("HOME", self.directory.path().join("home"))
            .env("XDG_RUNTIME_DIR", self.directory.path().join("run"))
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The advanced monitoring runs and is enabled, the basic one is not.
    pub fn reset(&self) {
        for words in [
            &["unmask", "basic-monitoring"][..],
            &["disable", "basic-monitoring", "advanced-monitoring"],
            &["stop", "basic-monitoring", "advanced-monitoring", "static-one"],
            &["enable", "advanced-monitoring"],
            &["start", "advanced-monitoring"],
        ] {
            self.control(words);
        }
    }

    /// What others see of its units.
    pub fn seen(&self) -> String {
        let units = ["advanced-monitoring", "basic-monitoring", "static-one"];
        let shown = self.control(&[&["show", "-p", "Id,ActiveState"], &units[..]].concat()).1;
        // `show` may keep to what a file was before.
        shown + &self.control(&[&["is-enabled"], &units[..]].concat()).1
    }
}
