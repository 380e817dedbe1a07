//! The one error type: what was tried on what, why it failed, what to do; and where in which file, where that is known.

use std::fmt;
use std::rc::Rc;

/// A place in a profile or an LXC file. Equality ignores it: two models are equal when they ask for the same thing,
/// wherever that was written.
#[derive(Clone, Default)]
pub struct Origin {
    /// The file as the user named it; `None` for values that no file holds (defaults, command-line flags).
    pub file: Option<Rc<str>>,
    /// Line, from 1; 0 when unknown.
    pub line: u32,
    /// Column in characters, from 1; 0 when unknown.
    pub column: u32,
}

impl Origin {
    /// A place in `file`.
    pub fn new(file: &Rc<str>, line: u32, column: u32) -> Self {
        Self { file: Some(file.clone()), line, column }
    }
}

/// Where the values of a section were written, by their keys. Equal to any other, as an [`Origin`] is.
#[derive(Clone, Debug, Default)]
pub struct Places(Vec<(&'static str, Origin)>);

impl Places {
    /// Notes the place of the value of `key`; a later one goes before. On a board nobody asks for them.
    pub fn note(&mut self, key: &'static str, origin: impl FnOnce() -> Origin) {
        if cfg!(feature = "workbench") {
            self.0.push((key, origin()));
        }
    }

    /// The value of `key` was taken back.
    pub fn forget(&mut self, key: &str) {
        self.0.retain(|place| place.0 != key);
    }

    /// The place of the value of `key`, if it was written.
    pub fn get(&self, key: &str) -> Option<&Origin> {
        self.0.iter().rev().find(|place| place.0 == key).map(|place| &place.1)
    }
}

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Places {}

impl std::hash::Hash for Places {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}

impl std::hash::Hash for Origin {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(file) = &self.file else { return Ok(()) };
        f.write_str(file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What went wrong, as a class; it decides the exit code (docs/exit-codes.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command line: exit code 1.
    Usage,
    /// A profile or an LXC file says something wrong: exit code 2.
    Config,
    /// The host refused or lacks something (a missing file, a kernel feature, a permission): exit code 3.
    Host,
    /// No such container, or it is not running: exit code 4.
    NotRunning,
    /// The container runs already, or its name is taken: exit code 5.
    Taken,
    /// A time limit passed: exit code 6.
    Timeout,
}

impl Kind {
    /// The exit code of a command that does not pass on a container's own status.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Usage => 1,
            Kind::Config => 2,
            Kind::Host => 3,
            Kind::NotRunning => 4,
            Kind::Taken => 5,
            Kind::Timeout => 6,
        }
    }
}

/// `ORIGIN: TRIED: CAUSE (HINT)`. One pointer wide: nearly every function returns it, and code that moves a hundred
/// bytes at each `?` made a program that only reads a profile 22 KB larger (powerpc).
#[derive(Clone, Debug)]
pub struct Error(Box<Details>);

/// What an error says; `Error` derefs to it.
#[derive(Clone, Debug)]
pub struct Details {
    /// Its class.
    pub kind: Kind,
    /// Where the value that led here was written.
    pub origin: Origin,
    /// Verb and object: `mount cgroup hierarchy cpuset on /sys/fs/cgroup/cpuset`. Empty when the cause says it all.
    pub tried: String,
    /// Why it failed: the kernel's words or our own.
    pub cause: String,
    /// What to do about it; empty when there is nothing to add.
    pub hint: String,
    /// The errno behind `cause`, 0 if there is none: for fallbacks and tests, never printed bare.
    pub errno: i32,
    /// The rule of `boardbox check` that it breaks, where a reader found it (docs/checks.md).
    pub rule: &'static str,
}

/// The result of everything that can fail here.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of our own making: `cause` is a sentence.
    pub fn new(kind: Kind, cause: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind,
            origin: Origin::default(),
            tried: String::new(),
            cause: cause.into(),
            hint: String::new(),
            errno: 0,
            rule: "value",
        }))
    }

    /// A mistake in a profile or an LXC file.
    pub fn config(cause: impl Into<String>) -> Self {
        Self::new(Kind::Config, cause)
    }

    /// A mistake on the command line.
    pub fn usage(cause: impl Into<String>) -> Self {
        Self::new(Kind::Usage, cause)
    }

    /// The host lacks or refuses something; no errno is at hand.
    pub fn host(cause: impl Into<String>) -> Self {
        Self::new(Kind::Host, cause)
    }

    /// The kernel said no: `tried` is verb and object.
    pub fn sys(tried: impl Into<String>, errno: nix::errno::Errno) -> Self {
        let mut error = Self::new(Kind::Host, errno.desc());
        error.tried = tried.into();
        error.errno = errno as i32;
        error
    }

    /// The same for an error of the standard library's file functions.
    pub fn io(tried: impl Into<String>, error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Self::sys(tried, nix::errno::Errno::from_raw(number)),
            None => Self::host(error.to_string()).tried(tried),
        }
    }

    /// Puts what was tried in front, where the place that failed did not know it.
    pub fn tried(mut self, tried: impl Into<String>) -> Self {
        let tried = tried.into();
        if self.tried.is_empty() {
            self.tried = tried;
        } else {
            self.tried = format!("{tried}: {}", self.tried);
        }
        self
    }

    /// Says what to do. The first hint stays: it was given closest to the cause.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if self.hint.is_empty() {
            self.hint = hint.into();
        }
        self
    }

    /// Says where the value was written. The first origin stays.
    pub fn at(mut self, origin: &Origin) -> Self {
        if self.origin.file.is_none() {
            self.origin = origin.clone();
        }
        self
    }

    /// Names the rule of `boardbox check`.
    pub fn rule(mut self, rule: &'static str) -> Self {
        self.rule = rule;
        self
    }

    /// Changes the class.
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// True when this is that errno.
    pub fn is(&self, errno: nix::errno::Errno) -> bool {
        self.errno == errno as i32
    }
}

impl std::ops::Deref for Error {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl std::ops::DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin.file.is_some() {
            write!(f, "{}: ", self.origin)?;
        }
        if !self.tried.is_empty() {
            write!(f, "{}: ", self.tried)?;
        }
        f.write_str(&self.cause)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_what_why_and_what_to_do() {
        let file: Rc<str> = "boards/p4080ds.toml".into();
        let error = Error::sys("container \"foo23\": link \"br0\"", nix::errno::Errno::ENODEV)
            .hint("run boardbox up")
            .at(&Origin::new(&file, 14, 9));
        assert_eq!(
            error.to_string(),
            "boards/p4080ds.toml:14:9: container \"foo23\": link \"br0\": No such device (run boardbox up)"
        );
        assert_eq!(error.kind.exit_code(), 3);
    }

    #[test]
    fn the_first_origin_and_hint_stay_and_what_was_tried_nests() {
        let (a, b): (Rc<str>, Rc<str>) = ("a".into(), "b".into());
        let error = Error::config("x").at(&Origin::new(&a, 1, 0)).at(&Origin::new(&b, 2, 0));
        let error = error.hint("one").hint("two").tried("inner").tried("outer");
        assert_eq!(error.to_string(), "a:1: outer: inner: x (one)");
    }
}
