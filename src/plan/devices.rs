//! The v1 device controller as a model: a default and a list of exceptions to it, changed rule by rule.
//!
//! It is not "the last rule that matches wins" (docs/devices.md). cgroup v2 has no such controller, only programs: the
//! model says what such a program has to allow, so that a list of rules means the same on every layout.

use crate::error::{Error, Result};
use crate::profile::value::{DeviceKind, DeviceRule};
use nix::errno::Errno;
use std::fmt;

/// mknod, as the kernel numbers it (`BPF_DEVCG_ACC_MKNOD`).
pub const MKNOD: u8 = 1;
/// Open for reading.
pub const READ: u8 = 2;
/// Open for writing.
pub const WRITE: u8 = 4;

/// Which file a rule is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `devices.allow`.
    Allow,
    /// `devices.deny`.
    Deny,
}

/// Devices for which the default does not hold, and to which accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// A block device, else a character device.
    pub block: bool,
    /// Major number; `None` is `*`, which is a value of its own when a rule is taken back.
    pub major: Option<u32>,
    /// Minor number, likewise.
    pub minor: Option<u32>,
    /// `MKNOD`, `READ` and `WRITE`; at least one.
    pub access: u8,
}

/// What a cgroup lets its processes do with devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What holds for a device without an exception.
    pub default: Verb,
    /// In the order they came to be, which `devices.list` shows and nothing else depends on.
    pub exceptions: Vec<Exception>,
}

impl Default for Policy {
    /// Everything is allowed: the root's policy on v1, and a v2 cgroup's without a program.
    fn default() -> Self {
        Self { default: Verb::Allow, exceptions: Vec::new() }
    }
}

/// What rules written in this order make of a cgroup whose parent allows everything.
pub fn evaluate(rules: &[(Verb, DeviceRule)]) -> Policy {
    let mut policy = Policy::default();
    for (verb, rule) in rules {
        policy.write(&Policy::default(), *verb, rule);
    }
    policy
}

impl Exception {
    /// `None` for `a`, which is none but sets the default.
    fn new(rule: &DeviceRule) -> Option<Self> {
        // The kernel keeps * as the number 2^32 - 1, so that one is no number.
        let number = |number: Option<u32>| number.filter(|number| *number != u32::MAX);
        Some(Self {
            block: match rule.kind {
                DeviceKind::All => return None,
                DeviceKind::Block => true,
                DeviceKind::Char => false,
            },
            major: number(rule.major),
            minor: number(rule.minor),
            access: access(rule),
        })
    }

    /// The same devices by name: not whether one contains the other.
    fn same_devices(&self, other: &Self) -> bool {
        (self.block, self.major, self.minor) == (other.block, other.major, other.minor)
    }

    /// True when every device of `wanted`, and every access, is among this exception's.
    fn covers(&self, wanted: &Self) -> bool {
        self.block == wanted.block
            && (self.major.is_none() || self.major == wanted.major)
            && (self.minor.is_none() || self.minor == wanted.minor)
            && wanted.access & !self.access == 0
    }

    /// True when some device of `wanted`, with some of its accesses, is among this exception's.
    fn touches(&self, wanted: &Self) -> bool {
        let meet = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        self.block == wanted.block
            && meet(self.major, wanted.major)
            && meet(self.minor, wanted.minor)
            && wanted.access & self.access != 0
    }

    /// The rule that, written to the other file, takes this exception back.
    pub fn rule(&self) -> DeviceRule {
        DeviceRule {
            kind: if self.block { DeviceKind::Block } else { DeviceKind::Char },
            major: self.major,
            minor: self.minor,
            read: self.access & READ != 0,
            write: self.access & WRITE != 0,
            mknod: self.access & MKNOD != 0,
        }
    }
}

/// A rule's access as bits.
fn access(rule: &DeviceRule) -> u8 {
    let bit = |set, bit| if set { bit } else { 0 };
    bit(rule.mknod, MKNOD) | bit(rule.read, READ) | bit(rule.write, WRITE)
}

impl Policy {
    /// Whether a process may do all of `access` with one device. `kind` is not `All`; no access at all is what the kernel
    /// asks about for access(2) with `X_OK`.
    pub fn allows(&self, kind: DeviceKind, major: u32, minor: u32, access: u8) -> bool {
        let block = kind == DeviceKind::Block;
        self.holds(&Exception { block, major: Some(major), minor: Some(minor), access })
    }

    /// Whether all of this is allowed. Under a default of deny it takes one exception that has it all: two that have half
    /// each are not enough.
    fn holds(&self, wanted: &Exception) -> bool {
        match self.default {
            Verb::Allow => !self.exceptions.iter().any(|exception| exception.touches(wanted)),
            Verb::Deny => self.exceptions.iter().any(|exception| exception.covers(wanted)),
        }
    }

    /// One rule written to a cgroup below one with the policy `parent`, `children` saying whether it has cgroups below
    /// itself: refused where v1 refuses, with the same errno. What a stricter rule takes from the cgroups below is not
    /// told here; on v2 it follows, since the programs of all cgroups on the way are asked.
    pub fn change(&mut self, parent: &Policy, children: bool, verb: Verb, rule: &DeviceRule) -> Result<()> {
        let refused = |errno, hint: String| Err(Error::sys(format!("{verb} {rule}"), errno).hint(hint));
        let Some(exception) = Exception::new(rule) else {
            if children {
                let hint = match self.expand(verb) {
                    Some(_) => format!("with cgroups below, {verb} every rule of devices.list instead"),
                    None => "the default can only be changed while there are no cgroups below".to_owned(),
                };
                return refused(Errno::EINVAL, hint);
            }
            if verb == Verb::Allow && parent.default == Verb::Deny {
                return refused(Errno::EPERM, "the cgroup above does not allow all devices".to_owned());
            }
            self.write(parent, verb, rule);
            return Ok(());
        };
        let beyond = verb == Verb::Allow
            && match (parent.default, self.default) {
                (Verb::Deny, _) => !parent.holds(&exception),
                // Whether it adds an exception here or takes one back: the parent may deny no part of it.
                (Verb::Allow, _) => parent.exceptions.iter().any(|other| other.touches(&exception)),
            };
        if beyond {
            return refused(Errno::EPERM, "the cgroup above does not have this device".to_owned());
        }
        self.write(parent, verb, rule);
        Ok(())
    }

    fn write(&mut self, parent: &Policy, verb: Verb, rule: &DeviceRule) {
        let Some(exception) = Exception::new(rule) else {
            self.default = verb;
            self.exceptions = match verb {
                Verb::Allow => parent.exceptions.clone(),
                Verb::Deny => Vec::new(),
            };
            return;
        };
        let same = self.exceptions.iter_mut().find(|other| other.same_devices(&exception));
        match same {
            Some(same) if verb == self.default => {
                // Only from exactly these devices: a wider or a narrower exception stays as it is, and nobody is told.
                same.access &= !exception.access;
                self.exceptions.retain(|other| other.access != 0);
            }
            Some(same) => same.access |= exception.access,
            None if verb == self.default || exception.access == 0 => {}
            None => self.exceptions.push(exception),
        }
    }

    /// The rules that make this policy the other one.
    pub fn towards(&self, wanted: &Policy) -> Vec<(Verb, DeviceRule)> {
        let mut rules = Vec::new();
        let mut from: &[Exception] = &self.exceptions;
        if self.default != wanted.default {
            let (kind, all) = (DeviceKind::All, true);
            let rule = DeviceRule { kind, major: None, minor: None, read: all, write: all, mknod: all };
            rules.push((wanted.default, rule));
            from = &[];
        }
        let other = if wanted.default == Verb::Allow { Verb::Deny } else { Verb::Allow };
        for (verb, some, others) in
            [(wanted.default, from, &wanted.exceptions[..]), (other, &wanted.exceptions, from)]
        {
            for exception in some {
                let same = others.iter().find(|other| other.same_devices(exception));
                let access = exception.access & !same.map_or(0, |same| same.access);
                if access != 0 {
                    rules.push((verb, Exception { access, ..*exception }.rule()));
                }
            }
        }
        rules
    }

    /// The rules that do what `a` does, for a cgroup that has others below itself, where v1 refuses `a`. `None` where
    /// there are none: the default can not be changed by exceptions. For `Allow` the cgroups below keep their denials.
    pub fn expand(&self, verb: Verb) -> Option<Vec<DeviceRule>> {
        (self.default == verb).then(|| self.exceptions.iter().map(Exception::rule).collect())
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Allow => "allow",
            Verb::Deny => "deny",
        })
    }
}

/// As `devices.list` reads: what is allowed, and under a default of allow nothing of its exceptions.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.default {
            Verb::Allow => f.write_str("a *:* rwm\n"),
            Verb::Deny => {
                self.exceptions.iter().try_for_each(|exception| writeln!(f, "{}", exception.rule()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DeviceKind::{Block, Char};

    fn rules(text: &[&str]) -> Vec<(Verb, DeviceRule)> {
        let rule = |line: &&str| match line.split_once(' ').unwrap() {
            ("allow", rule) => (Verb::Allow, rule.parse().unwrap()),
            ("deny", rule) => (Verb::Deny, rule.parse().unwrap()),
            _ => panic!("{line}"),
        };
        text.iter().map(rule).collect()
    }

    fn policy(text: &[&str]) -> Policy {
        evaluate(&rules(text))
    }

    #[test]
    fn without_rules_everything_is_allowed() {
        assert!(policy(&[]).allows(Block, 8, 0, READ | WRITE | MKNOD));
        assert_eq!(policy(&[]).to_string(), "a *:* rwm\n");
    }

    #[test]
    fn the_seeds_rules() {
        let policy = policy(&["deny a", "allow c 1:3 rw", "allow b 8:0 rw"]);
        assert!(policy.allows(Char, 1, 3, READ | WRITE) && policy.allows(Block, 8, 0, READ));
        assert!(!policy.allows(Char, 1, 3, MKNOD) && !policy.allows(Block, 1, 3, READ));
        assert!(!policy.allows(Char, 1, 5, READ) && !policy.allows(Char, 8, 0, READ));
        assert_eq!(policy.to_string(), "c 1:3 rw\nb 8:0 rw\n");
    }

    #[test]
    fn it_is_not_the_last_match_that_wins() {
        // Default deny: what is denied is taken from an exception of the same name only.
        let wide = policy(&["deny a", "allow c 1:* rw", "deny c 1:3 rw"]);
        assert!(wide.allows(Char, 1, 3, READ | WRITE));
        // Default allow: a denied range stays, though one device of it is allowed later.
        let narrow = policy(&["deny c 1:* w", "allow c 1:3 w"]);
        assert!(!narrow.allows(Char, 1, 3, WRITE));
        // A default set later forgets all exceptions.
        assert!(!policy(&["allow c 1:3 rwm", "deny a"]).allows(Char, 1, 3, READ));
        assert!(policy(&["deny c 1:3 rwm", "allow a"]).allows(Char, 1, 3, READ));
    }

    #[test]
    fn bits_are_added_to_and_taken_from_the_same_exception() {
        let policy = policy(&["deny a", "allow c 1:3 r", "allow c 1:3 wm", "deny c 1:3 m", "deny c 1:* r"]);
        assert_eq!(policy.to_string(), "c 1:3 rw\n");
        assert_eq!(evaluate(&rules(&["deny c *:* rwm", "allow c *:* wmr"])), Policy::default());
    }

    #[test]
    fn default_deny_wants_one_exception_that_has_it_all() {
        let policy = policy(&["deny a", "allow c 1:* r", "allow c *:3 w"]);
        assert!(policy.allows(Char, 1, 3, READ) && policy.allows(Char, 1, 3, WRITE));
        assert!(!policy.allows(Char, 1, 3, READ | WRITE));
    }

    #[test]
    fn default_allow_refuses_on_any_overlap() {
        let policy = policy(&["deny c 1:* w"]);
        assert!(policy.allows(Char, 1, 3, READ) && !policy.allows(Char, 1, 3, READ | WRITE));
    }

    #[test]
    fn no_access_takes_an_exception_under_deny_and_nothing_under_allow() {
        assert!(policy(&["deny c *:* rwm"]).allows(Char, 1, 3, 0));
        assert!(!policy(&["deny a"]).allows(Char, 1, 3, 0));
        assert!(policy(&["deny a", "allow c 1:3 m"]).allows(Char, 1, 3, 0));
    }

    #[test]
    fn the_largest_number_is_a_star() {
        assert_eq!(policy(&["deny a", "allow c 4294967295:3 r"]).to_string(), "c *:3 r\n");
        assert_eq!(policy(&["deny a", "allow c 4294967295:3 r", "deny c *:3 r"]).to_string(), "");
    }

    #[test]
    fn one_policy_becomes_the_other() {
        let all = [
            policy(&[]),
            policy(&["deny a", "allow c 1:3 rw", "allow b 8:* r"]),
            policy(&["deny a", "allow c 1:3 rm", "allow c 1:5 r"]),
            policy(&["deny c 1:3 w", "deny b *:* m"]),
        ];
        for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (from, to))) {
            let mut changed = from.clone();
            for (verb, rule) in from.towards(to) {
                changed.change(&Policy::default(), false, verb, &rule).unwrap();
            }
            assert_eq!(changed.default, to.default);
            let sorted = |policy: &Policy| {
                let mut list: Vec<String> =
                    policy.exceptions.iter().map(|one| one.rule().to_string()).collect();
                list.sort();
                list
            };
            assert_eq!(sorted(&changed), sorted(to));
            assert_eq!(from.towards(from), []);
        }
    }

    fn refusal(policy: &Policy, parent: &Policy, children: bool, line: &str) -> Option<String> {
        let (verb, rule) = rules(&[line])[0];
        let mut changed = policy.clone();
        let refused = changed.change(parent, children, verb, &rule).err();
        assert_eq!(refused.is_some(), changed == *policy, "{line}");
        refused.map(|error| error.to_string())
    }

    #[test]
    fn the_default_stays_while_there_are_cgroups_below() {
        let (open, closed) =
            (policy(&["deny b 8:0 w"]), policy(&["deny a", "allow c 1:3 r", "allow b 8:* w"]));
        let root = Policy::default();
        assert_eq!(
            refusal(&open, &root, true, "deny a").unwrap(),
            "deny a: Invalid argument (the default can only be changed while there are no cgroups below)"
        );
        assert_eq!(
            refusal(&closed, &root, true, "deny a").unwrap(),
            "deny a: Invalid argument (with cgroups below, deny every rule of devices.list instead)"
        );
        assert!(refusal(&open, &root, false, "deny a").is_none());
        assert!(open.expand(Verb::Deny).is_none());
        let mut emptied = closed.clone();
        for rule in closed.expand(Verb::Deny).unwrap() {
            emptied.change(&root, true, Verb::Deny, &rule).unwrap();
        }
        assert_eq!(emptied, policy(&["deny a"]));
    }

    #[test]
    fn nothing_is_allowed_beyond_the_parent() {
        let closed = policy(&["deny a", "allow c 1:* rw"]);
        let below = policy(&["deny a"]);
        let beyond = |line| refusal(&below, &closed, false, line);
        assert_eq!(
            beyond("allow c 1:3 rwm").unwrap(),
            "allow c 1:3 rwm: Operation not permitted (the cgroup above does not have this device)"
        );
        assert!(beyond("allow c *:3 r").is_some() && beyond("allow c 1:3 r").is_none());
        assert!(beyond("allow a").unwrap().contains("does not allow all devices"));
        let open = policy(&["deny c 1:3 w"]);
        // Neither a new exception of a closed group nor one taken back of an open one may touch what is denied above.
        assert!(refusal(&below, &open, false, "allow c 1:* rw").is_some());
        assert!(refusal(&open, &open, false, "allow c 1:3 w").is_some());
        // Both lists were the parent's: `a` takes its exceptions over again.
        let mut again = policy(&["deny a"]);
        again.change(&open, false, Verb::Allow, &"a".parse().unwrap()).unwrap();
        assert_eq!(again, open);
    }
}
