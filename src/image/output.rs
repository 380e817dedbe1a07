//! Where the image goes: an archive, compressed by this machine's own programs, or a tree.

use super::tree::Tree;
use super::{cpio, disk};
use crate::error::{Error, Kind, Result};
use crate::profile::text::shown;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An archive's ending, and what compresses it: to the same bytes each time, in a form that the kernel unpacks
/// (lib/decompress_*.c: xz with crc32 or no sum, lz4's old frames).
const COMPRESSORS: [(&str, &str, &[&str]); 4] = [
    (".gz", "gzip", &["-n", "-9", "-c"]),
    (".xz", "xz", &["--format=xz", "--check=crc32", "--threads=1", "-9", "-c"]),
    (".zst", "zstd", &["-19", "--single-thread", "--no-progress", "-q", "-c"]),
    (".lz4", "lz4", &["-l", "-9", "-q", "-c"]),
];

/// Something half-made, gone with it.
struct Half(PathBuf);

impl Drop for Half {
    fn drop(&mut self) {
        let _ = match fs::symlink_metadata(&self.0) {
            Ok(there) if there.is_dir() => fs::remove_dir_all(&self.0),
            Ok(_) => fs::remove_file(&self.0),
            Err(error) => Err(error),
        };
    }
}

/// Writes the image: a tree where `out` ends in `/` or is a directory, else an archive. Nothing half-made stays behind.
pub fn write(tree: &Tree, out: &str, time: u32) -> Result<()> {
    let directory = out.ends_with('/') || Path::new(out).is_dir();
    let plain = out.trim_end_matches('/');
    let half = Half(format!("{plain}.{}.new", std::process::id()).into());
    let failed = |error| Error::io(format!("make {}", half.0.display()), &error);
    if directory {
        let full = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
        if full {
            return Err(Error::new(Kind::Taken, format!("{} is not empty", shown(out)))
                .hint("an image goes to a new directory, or to an empty one"));
        }
        fs::create_dir(&half.0).map_err(failed)?;
        disk::write(tree, time, &half.0)?;
    } else {
        let ending =
            Path::new(out).extension().map_or_else(String::new, |it| format!(".{}", it.to_string_lossy()));
        let program = COMPRESSORS.iter().find(|one| one.0 == ending);
        if program.is_none() && ending != ".cpio" {
            return Err(Error::usage(format!("{}: what is it to be?", shown(out)))
                .hint("NAME.cpio, NAME.cpio.gz, .xz, .zst or .lz4 for an archive, DIRECTORY/ for a tree"));
        }
        let file = File::create(&half.0).map_err(failed)?;
        match program {
            None => archive(tree, time, file)?,
            Some((_, program, options)) => compressed(tree, time, file, program, options)?,
        }
    }
    fs::rename(&half.0, plain)
        .map_err(|error| Error::io(format!("rename {} to {plain}", half.0.display()), &error))
}

fn archive(tree: &Tree, time: u32, file: File) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, file);
    cpio::write(tree, time, &mut out)?;
    out.into_inner().map_err(|error| Error::io("write the archive", error.error()))?;
    Ok(())
}

fn compressed(tree: &Tree, time: u32, file: File, program: &str, options: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    // What the caller would have these programs do is no part of the input.
    command.args(options).env_remove("GZIP").env_remove("XZ_OPT").env_remove("XZ_DEFAULTS");
    command.env_remove("ZSTD_CLEVEL").env_remove("ZSTD_NBTHREADS").stdin(Stdio::piped()).stdout(file);
    let mut child = command.spawn().map_err(|error| {
        let hint = format!(
            "install {program} on this machine, or write an archive that is not compressed: NAME.cpio"
        );
        Error::io(format!("run {program}"), &error).hint(hint)
    })?;
    let mut written = Ok(());
    if let Some(input) = child.stdin.take() {
        let mut input = BufWriter::with_capacity(1 << 16, input);
        written = cpio::write(tree, time, &mut input).and_then(|()| {
            input
                .into_inner()
                .map(drop)
                .map_err(|error| Error::io(format!("write to {program}"), error.error()))
        });
    }
    let ended = child.wait().map_err(|error| Error::io(format!("wait for {program}"), &error))?;
    written?;
    match ended.success() {
        true => Ok(()),
        false => Err(Error::host(format!("{program} has failed: {ended}"))),
    }
}
