//! A kernel's configuration: a `.config` file, or the gzip of one that /proc/config.gz is.

use super::gzip;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;

/// What an option is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Built in.
    Yes,
    /// A module.
    Module,
    /// Not there.
    No,
}

/// A configuration.
pub struct Config {
    text: String,
    /// Of the kernel, `6.1.2` as 6 * 1000 + 1; 0 where the file does not say.
    pub version: u32,
}

/// The largest file there is reason to read: the ones of distributions have 0.3 MiB.
const MOST: usize = 8 << 20;

impl Config {
    /// Reads the file, packed or not.
    pub fn read(path: &str) -> Result<Self> {
        Self::parse(&whole(path, MOST)?).map_err(|error| error.tried(format!("kernel configuration {path}")))
    }

    /// The file's bytes, packed or not.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let unpacked;
        let bytes = match bytes.starts_with(&gzip::MAGIC) {
            true => {
                unpacked = gzip::unpack(bytes, MOST)?;
                unpacked.as_slice()
            }
            false => bytes,
        };
        let text = String::from_utf8_lossy(bytes).into_owned();
        if !text.lines().any(|line| line.starts_with("CONFIG_")) {
            return Err(Error::host("has no line that begins with CONFIG_")
                .hint("a kernel's .config, or /proc/config.gz of the board"));
        }
        let version = text.lines().take(8).find_map(version).unwrap_or(0);
        Ok(Self { text, version })
    }

    /// The value of an option, without `CONFIG_`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut lines = self.text.lines();
        lines.find_map(|line| line.strip_prefix("CONFIG_")?.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether it has an option.
    pub fn setting(&self, name: &str) -> Setting {
        match self.get(name) {
            Some("y") => Setting::Yes,
            Some("m") => Setting::Module,
            _ => Setting::No,
        }
    }
}

/// A whole file of this machine, unless it is longer than `most`.
pub fn whole(path: &str, most: usize) -> Result<Vec<u8>> {
    let failed = |error| Error::io(format!("read {path}"), &error);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() > most {
        true => {
            Err(Error::host(format!("{path} is longer than {most} bytes")).hint("is this the right file?"))
        }
        false => Ok(bytes),
    }
}

/// The running kernel's, and where it was found: what CONFIG names, /proc/config.gz, /boot/config-RELEASE.
pub fn running() -> Result<(Config, String)> {
    if let Some(path) = std::env::var("CONFIG").ok().filter(|path| !path.is_empty()) {
        return Config::read(&path).map(|config| (config, path));
    }
    let release = whole("/proc/sys/kernel/osrelease", 4096).unwrap_or_default();
    let boot = format!("/boot/config-{}", String::from_utf8_lossy(&release).trim_end());
    for path in ["/proc/config.gz", &boot] {
        if std::path::Path::new(path).exists() {
            return Config::read(path).map(|config| (config, path.into()));
        }
    }
    Err(Error::host(format!("there is no /proc/config.gz and no {boot}"))
        .tried("find the kernel's configuration")
        .hint("name a file by CONFIG=, or have CONFIG_IKCONFIG_PROC"))
}

/// `# Linux/powerpc 6.1.2 Kernel Configuration`.
fn version(line: &str) -> Option<u32> {
    number(line.strip_prefix("# Linux/")?.split_ascii_whitespace().nth(1)?)
}

/// `6.1.2-rt` as 6001.
pub fn number(version: &str) -> Option<u32> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    let (major, minor) = (parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?);
    (major < 1000 && minor < 1000).then_some(major * 1000 + minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_built_in_modules_or_not_there() {
        let text = b"#\n# Automatically generated file; DO NOT EDIT.\n# Linux/powerpc 6.1.90 Kernel Configuration\n#\n\
            CONFIG_A=y\nCONFIG_AB=m\n# CONFIG_B is not set\nCONFIG_C=\"\"\nCONFIG_D=n\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.version, 6001);
        let settings = ["A", "AB", "B", "D", "X"].map(|name| config.setting(name));
        assert_eq!(settings, [Setting::Yes, Setting::Module, Setting::No, Setting::No, Setting::No]);
        assert_eq!(config.get("C"), Some("\"\""));
        assert!(Config::parse(b"\x7fELF").is_err() && Config::parse(b"").is_err());
        assert_eq!(
            [number("3.2.0-rt"), number("10"), number("x.y"), number("4294967296.1")],
            [Some(3002), None, None, None]
        );
    }
}
