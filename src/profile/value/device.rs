//! Device rules of the cgroup device controller (`c 1:3 rwm`, `b *:* m`, `a`).

/// Which devices by kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceKind {
    /// `a`: all devices; the rest of the rule is ignored by the kernel.
    All,
    /// `b`.
    Block,
    /// `c`.
    Char,
}

/// One rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceRule {
    /// `a`, `b` or `c`.
    pub kind: DeviceKind,
    /// Major number; `None` is `*`.
    pub major: Option<u32>,
    /// Minor number; `None` is `*`.
    pub minor: Option<u32>,
    /// `r`.
    pub read: bool,
    /// `w`.
    pub write: bool,
    /// `m`.
    pub mknod: bool,
}
