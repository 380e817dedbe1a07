//! A container's programs: there, executable, for this processor, and with all that the dynamic linker will look for.

use super::config::{Config, Setting};
use super::elf::{self, Arch, Elf};
use super::kernel::OPTIONS;
use super::tree::{Found, Place, View};
use super::{Report, at};
use crate::error::Origin;
use crate::profile::Board;
use crate::profile::container::{Container, DEFAULT_PATH};

/// How many scripts may be each other's interpreters (the kernel's own bound), and how many libraries a program has.
const MOST_SCRIPTS: u32 = 4;
const MOST_LIBRARIES: usize = 512;

/// The programs of one container.
pub struct Programs<'a> {
    container: &'a Container,
    inside: &'a View<'a>,
    arch: Option<&'static Arch>,
    search: &'a str,
    kernel: Option<&'a Config>,
}

impl<'a> Programs<'a> {
    pub fn new(
        board: &Board,
        container: &'a Container,
        inside: &'a View<'a>,
        kernel: Option<&'a Config>,
    ) -> Self {
        let own = container.environment.iter().rev().find(|variable| variable.0 == "PATH");
        let search = own.map_or(DEFAULT_PATH, |variable| variable.1.as_str());
        Self { container, inside, arch: elf::named(&board.arch), search, kernel }
    }

    /// What it runs.
    pub fn check(&self, report: &mut Report) {
        let command = self.container.command.first().map_or("/sbin/init", String::as_str);
        self.program(command, at(self.container, "command"), 0, report);
        if let Some(command) = self.container.execute_command.first() {
            self.program(command, at(self.container, "execute-command"), 0, report);
        }
    }

    /// A command, or a script's interpreter.
    fn program(&self, command: &str, at: &Origin, depth: u32, report: &mut Report) {
        let place = match self.look_up(command) {
            Found::Here(place) => place,
            Found::Later(_) => return,
            Found::Missing(what) => {
                let (rule, who) = match depth {
                    0 => ("program-missing", "command"),
                    _ => ("interpreter-missing", "the script's interpreter"),
                };
                let cause = match command.contains('/') {
                    true => format!("{who} {command}: there is no {what} inside"),
                    false => format!("{who} {command} is in none of {}", self.search),
                };
                report.tell(rule, at, cause, "");
                return;
            }
        };
        if !place.meta.is_file() {
            report.tell("not-a-program", at, format!("command {}: is not a file", place.path), "");
            return;
        }
        self.executable(&place, at, report);
        let Some(head) = place.read(0, 256) else {
            let cause = format!("command {} can not be read here", place.path);
            report.tell("unreadable", at, cause, "check it as one who may read the whole tree");
            return;
        };
        if head.starts_with(elf::MAGIC) {
            return self.elf(&place, at, report);
        }
        let line = head.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next());
        let line = line.map(|line| String::from_utf8_lossy(line).into_owned());
        match line.as_deref().and_then(|line| line.split_ascii_whitespace().next()) {
            Some(interpreter) if depth < MOST_SCRIPTS => {
                self.option("BINFMT_SCRIPT", &place, at, report);
                self.program(interpreter, at, depth + 1, report);
            }
            _ => {
                let cause =
                    format!("command {} is neither an ELF file nor a script that begins with #!", place.path);
                report.tell("not-a-program", at, cause, "the kernel answers ENOEXEC");
            }
        }
    }

    /// An option that the kernel, if it is known, needs for this program.
    fn option(&self, name: &str, place: &Place, at: &Origin, report: &mut Report) {
        let Some(option) = OPTIONS.iter().find(|option| option.name == name) else { return };
        if self.kernel.is_some_and(|kernel| kernel.setting(name) == Setting::No) {
            let cause = format!("CONFIG_{name} is not set: {}, and {} is one", option.fails, place.path);
            report.tell("kernel-option", at, cause, "");
        }
    }

    fn executable(&self, place: &Place, at: &Origin, report: &mut Report) {
        use std::os::unix::fs::PermissionsExt;
        if place.meta.permissions().mode() & 0o111 == 0 {
            report.tell(
                "not-executable",
                at,
                format!("{} is not executable: its mode has no x", place.path),
                "chmod +x",
            );
        }
    }

    /// As execvp(3) does.
    fn look_up(&self, command: &str) -> Found {
        if command.contains('/') {
            let cwd = self.container.cwd.as_deref().unwrap_or("/");
            return match command.starts_with('/') {
                true => self.inside.find(command),
                false => self.inside.find(&format!("{cwd}/{command}")),
            };
        }
        let mut found = Found::Missing(command.into());
        for dir in self.search.split(':') {
            match self.inside.find(&format!("{dir}/{command}")) {
                here @ Found::Here(_) => return here,
                // It may be there on the board.
                Found::Later(path) => found = Found::Later(path),
                Found::Missing(_) => {}
            }
        }
        found
    }

    fn parse(&self, place: &Place, at: &Origin, report: &mut Report) -> Option<Elf> {
        match elf::parse(&|offset, length| place.read(offset, length)) {
            Ok(elf) => Some(elf),
            Err(error) => {
                report.tell("not-a-program", at, format!("{} {}", place.path, error.cause), "");
                None
            }
        }
    }

    fn elf(&self, place: &Place, at: &Origin, report: &mut Report) {
        let Some(program) = self.parse(place, at, report) else { return };
        if let Some(arch) = self.arch.filter(|arch| !arch.runs(&program)) {
            let cause = format!(
                "{} is a program for {}, the board's arch is {}",
                place.path,
                program.described(),
                arch.described()
            );
            report.tell("wrong-architecture", at, cause, "");
            // What it would be linked with is no help any more.
            return;
        }
        if let Some(name) = self.arch.and_then(|arch| arch.option(&program)) {
            self.option(name, place, at, report);
        }
        let Some(interpreter) = program.interpreter.clone() else { return };
        match self.inside.find(&interpreter) {
            Found::Here(linker) => {
                self.executable(&linker, at, report);
                let linked = self.parse(&linker, at, report);
                if linked.is_some_and(|linked| !linked.like(&program)) {
                    let cause =
                        format!("{interpreter}, the interpreter of {}, is for another processor", place.path);
                    report.tell("wrong-architecture", at, cause, "");
                }
            }
            Found::Later(_) => {}
            Found::Missing(what) => {
                let cause = format!(
                    "{} needs the dynamic linker {interpreter}: there is no {what} inside",
                    place.path
                );
                report.tell(
                    "interpreter-missing",
                    at,
                    cause,
                    "bind the board's /lib read-only, or link it statically",
                );
                return;
            }
        }
        self.libraries(place, program, &interpreter, at, report);
    }

    /// All libraries, those that libraries need, too: each looked for once.
    fn libraries(&self, place: &Place, program: Elf, interpreter: &str, at: &Origin, report: &mut Report) {
        let musl = interpreter.contains("/ld-musl-");
        let system = self.directories(&program, interpreter, musl);
        let mut seen: Vec<String> = Vec::new();
        let mut todo = vec![(place.path.clone(), program.clone())];
        while let Some((path, object)) = todo.pop() {
            for name in &object.needed {
                if seen.contains(name) || musl && is_musl(name) || interpreter.ends_with(&format!("/{name}"))
                {
                    continue;
                }
                if seen.len() >= MOST_LIBRARIES {
                    return;
                }
                seen.push(name.clone());
                match self.library(name, &path, &object, &program, &system) {
                    Lookup::Found(found, library) => todo.push((found, library)),
                    Lookup::Unknown => {}
                    Lookup::Other(found, library) => {
                        let cause =
                            format!("{path} needs {name}, and {found} is for {}", library.described());
                        report.tell("wrong-architecture", at, cause, "");
                    }
                    Lookup::Missing => {
                        let cause = format!("{path} needs {name}, which is not inside");
                        report.tell(
                            "library-missing",
                            at,
                            cause,
                            &format!("looked for in {}", system.join(" ")),
                        );
                    }
                }
            }
        }
    }

    fn library(&self, name: &str, path: &str, object: &Elf, program: &Elf, system: &[String]) -> Lookup {
        let mut dirs: Vec<String> = Vec::new();
        let mut add = |list: &str, path: &str| {
            let origin = path.rsplit_once('/').map_or("/", |(dir, _)| dir);
            dirs.extend(
                list.split(':').map(|dir| dir.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)),
            );
        };
        if object.runpath.is_none() {
            add(object.rpath.as_deref().unwrap_or_default(), path);
            add(program.rpath.as_deref().unwrap_or_default(), path);
        }
        let variable =
            self.container.environment.iter().rev().find(|variable| variable.0 == "LD_LIBRARY_PATH");
        add(variable.map_or("", |variable| variable.1.as_str()), path);
        add(object.runpath.as_deref().unwrap_or_default(), path);
        let mut lookup = Lookup::Missing;
        let files: Vec<String> = match name.contains('/') {
            true => vec![name.into()],
            false => {
                let dirs = dirs.iter().chain(system).filter(|dir| !dir.is_empty());
                dirs.map(|dir| format!("{dir}/{name}")).collect()
            }
        };
        for file in files {
            match self.inside.find(&file) {
                Found::Later(_) => lookup = Lookup::Unknown,
                Found::Missing(_) => {}
                Found::Here(place) => {
                    let library = elf::parse(&|offset, length| place.read(offset, length));
                    match library {
                        Ok(library) if library.like(program) => return Lookup::Found(place.path, library),
                        // The dynamic linker goes on looking.
                        Ok(library) if matches!(lookup, Lookup::Missing) => {
                            lookup = Lookup::Other(place.path, library)
                        }
                        _ => {}
                    }
                }
            }
        }
        lookup
    }

    /// Where the dynamic linker looks by itself.
    fn directories(&self, program: &Elf, interpreter: &str, musl: bool) -> Vec<String> {
        let text = |path: &str| match self.inside.find(path) {
            Found::Here(place) => place.text(),
            _ => None,
        };
        if musl {
            let arch =
                interpreter.rsplit("/ld-musl-").next().and_then(|name| name.split('.').next()).unwrap_or("");
            let dirs =
                text(&format!("/etc/ld-musl-{arch}.path")).unwrap_or("/lib:/usr/local/lib:/usr/lib".into());
            return dirs.split(['\n', ':']).filter(|dir| !dir.is_empty()).map(String::from).collect();
        }
        let mut dirs = Vec::new();
        self.configured("/etc/ld.so.conf", &mut dirs, 0);
        let tuple = elf::ARCHES.iter().find(|arch| arch.is(program)).map(|arch| arch.tuple);
        for base in ["/lib", "/usr/lib"] {
            dirs.extend(tuple.map(|tuple| format!("{base}/{tuple}")));
            if program.wide {
                dirs.push(format!("{base}64"));
            }
            dirs.push(base.into());
        }
        dirs
    }

    /// ld.so.conf, and the files it includes: `include DIR/*.conf` is what there is in practice.
    fn configured(&self, path: &str, dirs: &mut Vec<String>, depth: u32) {
        let Found::Here(place) = self.inside.find(path) else { return };
        for line in place.text().unwrap_or_default().lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            match line.strip_prefix("include ") {
                None if line.starts_with('/') => dirs.push(line.into()),
                Some(pattern) if depth < 4 => {
                    let pattern = pattern.trim();
                    match pattern.strip_suffix("/*.conf") {
                        Some(dir) => {
                            for name in self.inside.list(dir) {
                                if name.ends_with(".conf") {
                                    self.configured(&format!("{dir}/{name}"), dirs, depth + 1);
                                }
                            }
                        }
                        None => self.configured(pattern, dirs, depth + 1),
                    }
                }
                _ => {}
            }
        }
    }
}

/// How looking for a library ended.
enum Lookup {
    Found(String, Elf),
    /// One of that name for another processor.
    Other(String, Elf),
    /// Only the board knows.
    Unknown,
    Missing,
}

/// musl's dynamic linker is its libc, by these names.
fn is_musl(name: &str) -> bool {
    let stem = name.strip_prefix("lib").and_then(|rest| rest.split_once('.')).map_or("", |parts| parts.0);
    matches!(stem, "c" | "pthread" | "rt" | "m" | "dl" | "util" | "xnet")
}
