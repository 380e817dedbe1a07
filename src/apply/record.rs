//! The record of `up`: one line per thing it made, in a file that `down` reads.

use super::run;
use super::undo::{Journal, Undo};
use crate::error::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};

/// The record, as it is on disk.
pub struct Record {
    path: String,
    lines: Vec<Line>,
}

enum Line {
    Undo(Undo),
    /// What this version can not read stays as it is.
    Other(String),
}

impl Record {
    /// Reads the record of `up`; empty where there is none. No container can have the name of its file.
    pub fn load() -> Result<Self> {
        Self::load_from(format!("{}/.up", run::DIR))
    }

    fn load_from(path: String) -> Result<Self> {
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            other => other.map_err(|error| Error::io(format!("read {path}"), &error))?,
        };
        let line = |line: &str| line.parse().map_or_else(|_| Line::Other(line.to_owned()), Line::Undo);
        Ok(Self { path, lines: text.lines().map(line).collect() })
    }

    /// How many lines it has.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// What can be taken back.
    pub fn undos(&self) -> impl Iterator<Item = &Undo> {
        self.lines.iter().filter_map(|line| match line {
            Line::Undo(undo) => Some(undo),
            Line::Other(_) => None,
        })
    }

    /// Takes back what was noted after the first `keep` lines, the last first. What fails stays in the record, and so
    /// does what it keeps from being taken back.
    pub fn take_back(&mut self, keep: usize) -> Vec<Error> {
        let mut errors = Vec::new();
        let mut held: Vec<String> = Vec::new();
        for index in (keep..self.lines.len()).rev() {
            let result = match self.lines.get(index) {
                // The mount point of what could not be unmounted, and the tmpfs it is in.
                Some(Line::Undo(undo))
                    if held.iter().any(|path| undo.path().is_some_and(|own| inside(path, own))) =>
                {
                    continue;
                }
                Some(Line::Undo(undo)) => {
                    log::info!("{undo}");
                    undo.perform().inspect_err(|_| held.extend(undo.path().map(str::to_owned)))
                }
                Some(Line::Other(line)) => Err(Error::host("is not a line that this boardbox knows")
                    .tried(format!("{}: \"{}\"", self.path, line.escape_default()))),
                None => continue,
            };
            let saved = result.and_then(|()| {
                self.lines.remove(index);
                self.save()
            });
            errors.extend(saved.err());
        }
        errors
    }

    /// The whole file anew; none if there is nothing to say.
    fn save(&self) -> Result<()> {
        let wrong = |error| Error::io(format!("write {}", self.path), &error);
        if self.lines.is_empty() {
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(wrong(error)),
                _ => Ok(()),
            };
        }
        let new = format!("{}.new", self.path);
        let write = || {
            let mut file = File::create(&new)?;
            for line in &self.lines {
                match line {
                    Line::Undo(undo) => writeln!(file, "{undo}")?,
                    Line::Other(line) => writeln!(file, "{line}")?,
                }
            }
            std::fs::rename(&new, &self.path)
        };
        write().map_err(wrong)
    }
}

impl Journal for Record {
    fn note(&mut self, undo: Undo) -> Result<()> {
        let line = format!("{undo}\n");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(|error| Error::io(format!("write {}", self.path), &error))?;
        self.lines.push(Line::Undo(undo));
        Ok(())
    }

    fn forget(&mut self) {
        self.lines.pop();
        if let Err(error) = self.save() {
            // A line too many: taking back what is not there is no error.
            log::warn!("{error}");
        }
    }
}

/// True when `path` is `directory` or below it.
fn inside(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> String {
        let dir = format!("{}/boardbox-record-{name}-{}", std::env::temp_dir().display(), std::process::id());
        std::fs::create_dir(&dir).unwrap();
        dir
    }

    fn remove(path: String) -> Undo {
        Undo::RemoveDir { path }
    }

    #[test]
    fn every_line_is_on_disk_before_the_kernel_is_asked() {
        let dir = scratch("lines");
        let path = format!("{dir}/up");
        let mut record = Record::load_from(path.clone()).unwrap();
        assert_eq!(record.len(), 0);
        record.note(remove("/a".into())).unwrap();
        record.note(remove("/b".into())).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "remove-directory /a\nremove-directory /b\n");
        record.forget();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "remove-directory /a\n");
        let again = Record::load_from(path.clone()).unwrap();
        assert_eq!(again.undos().collect::<Vec<_>>(), [&remove("/a".into())]);
        record.forget();
        assert!(std::fs::metadata(&path).is_err());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_fails_stays_and_what_it_holds_too() {
        let dir = scratch("fails");
        let (path, full, outer) = (format!("{dir}/up"), format!("{dir}/outer/full"), format!("{dir}/outer"));
        std::fs::create_dir_all(format!("{full}/of")).unwrap();
        std::fs::create_dir(format!("{dir}/outer2")).unwrap();
        let mut record = Record::load_from(path.clone()).unwrap();
        for line in [format!("{dir}/outer2"), outer.clone(), full.clone(), format!("{dir}/gone")] {
            record.note(remove(line)).unwrap();
        }
        let errors = record.take_back(0);
        assert_eq!(errors.len(), 1);
        assert!(errors[0].to_string().contains("outer/full: Directory not empty"), "{}", errors[0]);
        let kept = format!("remove-directory {outer}\nremove-directory {full}\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);
        std::fs::remove_dir(format!("{full}/of")).unwrap();
        assert!(Record::load_from(path.clone()).unwrap().take_back(0).is_empty());
        assert!(std::fs::metadata(&outer).is_err() && std::fs::metadata(&path).is_err());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_run_takes_back_only_its_own_and_an_unknown_line_stays() {
        let dir = scratch("own");
        let path = format!("{dir}/up");
        std::fs::create_dir(format!("{dir}/first")).unwrap();
        std::fs::write(&path, format!("remove-directory {dir}/first\nfrom-the-future x\n")).unwrap();
        let mut record = Record::load_from(path.clone()).unwrap();
        std::fs::create_dir(format!("{dir}/second")).unwrap();
        record.note(remove(format!("{dir}/second"))).unwrap();
        assert!(record.take_back(2).is_empty());
        assert!(std::fs::metadata(format!("{dir}/first")).is_ok());
        assert!(std::fs::metadata(format!("{dir}/second")).is_err());
        let errors = record.take_back(0);
        assert!(errors[0].to_string().contains("\"from-the-future x\": is not a line"), "{}", errors[0]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "from-the-future x\n");
        assert!(std::fs::metadata(format!("{dir}/first")).is_err());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
