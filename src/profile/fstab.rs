//! fstab lines: `lxc.mount.entry`, and the file that `lxc.mount` names.

use super::container::{CreateTarget, Mount, MountFlags};
use super::text::escaped;
use crate::error::{Error, Origin, Result};
use std::rc::Rc;

/// Option names that set (or clear) mount flags (mount(8), mount(2)).
#[allow(clippy::unnecessary_cast)] // c_ulong has 32 bits on powerpc
const FLAGS: [(&str, u64, bool); 23] = [
    ("rbind", (libc::MS_BIND | libc::MS_REC) as u64, true),
    ("bind", libc::MS_BIND as u64, true),
    ("ro", libc::MS_RDONLY as u64, true),
    ("rw", libc::MS_RDONLY as u64, false),
    ("nosuid", libc::MS_NOSUID as u64, true),
    ("suid", libc::MS_NOSUID as u64, false),
    ("nodev", libc::MS_NODEV as u64, true),
    ("dev", libc::MS_NODEV as u64, false),
    ("noexec", libc::MS_NOEXEC as u64, true),
    ("exec", libc::MS_NOEXEC as u64, false),
    ("sync", libc::MS_SYNCHRONOUS as u64, true),
    ("async", libc::MS_SYNCHRONOUS as u64, false),
    ("dirsync", libc::MS_DIRSYNC as u64, true),
    ("remount", libc::MS_REMOUNT as u64, true),
    ("mand", libc::MS_MANDLOCK as u64, true),
    ("nomand", libc::MS_MANDLOCK as u64, false),
    ("noatime", libc::MS_NOATIME as u64, true),
    ("atime", libc::MS_NOATIME as u64, false),
    ("nodiratime", libc::MS_NODIRATIME as u64, true),
    ("diratime", libc::MS_NODIRATIME as u64, false),
    ("relatime", libc::MS_RELATIME as u64, true),
    ("norelatime", libc::MS_RELATIME as u64, false),
    ("strictatime", libc::MS_STRICTATIME as u64, true),
];

/// Propagation options, a mount(2) call of their own.
#[allow(clippy::unnecessary_cast)]
const PROPAGATION: [(&str, u64); 4] = [
    ("shared", libc::MS_SHARED as u64),
    ("slave", libc::MS_SLAVE as u64),
    ("private", libc::MS_PRIVATE as u64),
    ("unbindable", libc::MS_UNBINDABLE as u64),
];

#[allow(clippy::unnecessary_cast)]
const RECURSIVE: u64 = libc::MS_REC as u64;

fn flag(option: &str) -> Option<(u64, bool)> {
    FLAGS.iter().find(|flag| flag.0 == option).map(|flag| (flag.1, flag.2))
}

fn propagation(option: &str) -> Option<u64> {
    let (name, recursive) = match option.strip_prefix('r') {
        Some(name) => (name, RECURSIVE),
        None => (option, 0),
    };
    PROPAGATION.iter().find(|known| known.0 == name).map(|known| known.1 | recursive)
}

/// The options that these flags and this data are read from.
pub fn options(flags: &MountFlags, data: &str) -> String {
    let (mut set, mut words) = (flags.set, Vec::new());
    for (name, bits, sets) in FLAGS {
        if sets && set & bits == bits {
            set &= !bits;
            words.push(name.to_string());
        } else if !sets && flags.clear & bits != 0 {
            words.push(name.to_string());
        }
    }
    let recursive = if flags.propagation & RECURSIVE != 0 { "r" } else { "" };
    for (name, bits) in PROPAGATION {
        if flags.propagation & bits != 0 {
            words.push(format!("{recursive}{name}"));
        }
    }
    if !data.is_empty() {
        words.push(data.into());
    }
    words.join(",")
}

/// fstab's octal escapes (`\040` for a blank), the only quoting it has.
fn unescape(field: &str) -> Result<String> {
    if !field.contains('\\') {
        return Ok(field.into());
    }
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if let (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', more @ ..]) = (first, tail) {
            out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = more;
        } else {
            out.push(first);
        }
    }
    match String::from_utf8(out) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(Error::config(format!("\"{field}\" has an escape that stands for no character"))),
    }
}

/// Options joined by commas: flags, propagation, words of ours, and what is left for the file system.
pub fn apply_options(mount: &mut Mount, options: &str) -> Result<()> {
    for option in options.split(',') {
        if let Some((bits, set)) = flag(option) {
            // The last one said wins, as in mount(8).
            let (to, from) = match set {
                true => (&mut mount.flags.set, &mut mount.flags.clear),
                false => (&mut mount.flags.clear, &mut mount.flags.set),
            };
            *to |= bits;
            *from &= !bits;
        } else if let Some(bits) = propagation(option) {
            mount.flags.propagation |= bits;
        } else {
            match option {
                // `relative` (to the rootfs) is what a relative target means here in any case.
                "" | "defaults" | "auto" | "noauto" | "nofail" | "relative" => {}
                "optional" => mount.optional = true,
                "create=dir" => mount.create = Some(CreateTarget::Dir),
                "create=file" => mount.create = Some(CreateTarget::File),
                _ if option.starts_with("create=") => {
                    return Err(Error::config(format!(
                        "\"{}\" is neither create=dir nor create=file",
                        option.escape_default()
                    )));
                }
                _ => {
                    if !mount.data.is_empty() {
                        mount.data.push(',');
                    }
                    mount.data.push_str(option);
                }
            }
        }
    }
    Ok(())
}

/// A field of an entry, with what would end it in octal.
pub fn escape(field: &str) -> String {
    let mut out = String::new();
    for letter in field.chars() {
        match letter {
            ' ' => out.push_str("\\040"),
            '\t' => out.push_str("\\011"),
            '\n' => out.push_str("\\012"),
            '\\' => out.push_str("\\134"),
            _ => out.push(letter),
        }
    }
    out
}

/// One entry: `SOURCE TARGET TYPE [OPTIONS [DUMP [PASS]]]`.
pub fn parse_entry(line: &str, origin: &Origin) -> Result<Mount> {
    let wrong = |why: &str| {
        Error::config(format!("mount entry \"{}\": {why}", line.escape_default()))
            .hint("source, target, type and options, separated by blanks; \\040 is a blank inside a path")
            .at(origin)
    };
    let mut fields = line.split_ascii_whitespace();
    let source = fields.next().ok_or_else(|| wrong("is empty"))?;
    let target = fields.next().ok_or_else(|| wrong("has no target"))?;
    let fstype = fields.next().ok_or_else(|| wrong("has no file system type"))?;
    let options = fields.next().unwrap_or("defaults");
    for name in ["dump", "pass"] {
        if let Some(field) = fields.next()
            && !field.bytes().all(|c| c.is_ascii_digit())
        {
            return Err(wrong(&format!("its {name} field \"{}\" is no number", field.escape_default())));
        }
    }
    if let Some(more) = fields.next() {
        return Err(wrong(&format!("\"{}\" is left over after its six fields", more.escape_default())));
    }
    let mut mount = Mount {
        source: unescape(source).map_err(|error| error.at(origin))?,
        target: unescape(target).map_err(|error| error.at(origin))?,
        fstype: fstype.into(),
        flags: MountFlags::default(),
        data: String::new(),
        optional: false,
        create: None,
        origin: origin.clone(),
    };
    apply_options(&mut mount, options).map_err(|error| wrong(&error.cause))?;
    Ok(mount)
}

/// Refuses an entry whose source ran into its target, as in `/lib/var/lib/lxc/foo/rootfs/lib none ro,bind 0 0`, where
/// one of `prefixes` is /var/lib/lxc/foo/rootfs: all fields are one to the left, options stand where the type belongs
/// and a number where options do. Such an entry parses, and would bind nothing that was meant.
pub fn refuse_lost_blank(line: &str, prefixes: &[&str]) -> Result<()> {
    let mut fields = line.split_ascii_whitespace();
    let (Some(source), _, Some(fstype)) = (fields.next(), fields.next(), fields.next()) else {
        return Ok(());
    };
    let shifted = fstype.split(',').any(|word| word == "defaults" || flag(word).is_some())
        && fields.next().is_none_or(|options| options.bytes().all(|c| c.is_ascii_digit()));
    if !shifted {
        return Ok(());
    }
    let entry = |text: &str| escaped(text, 1000);
    let error = Error::config(format!("\"{}\": a blank is missing", entry(line)));
    for prefix in
        prefixes.iter().map(|prefix| prefix.trim_end_matches('/')).filter(|prefix| !prefix.is_empty())
    {
        if let Some((before, after)) = source.split_once(prefix).filter(|parts| !parts.0.is_empty())
            && let Some(rest) = line.trim_start().strip_prefix(source)
        {
            return Err(
                error.hint(format!("probably meant: {}", entry(&format!("{before} {prefix}{after}{rest}"))))
            );
        }
    }
    Err(error.hint(format!("\"{}\" stands where the file system type belongs", entry(fstype))))
}

/// A whole fstab file's entries; `#` starts a comment line.
pub fn parse(text: &str, file: &Rc<str>) -> Result<Vec<Mount>> {
    let mut mounts = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let entry = line.trim_start();
        if !entry.is_empty() && !entry.starts_with('#') {
            let column = (line.len() - entry.len() + 1) as u32;
            mounts.push(parse_entry(entry, &Origin::new(file, number, column))?);
        }
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: &str) -> Result<Mount> {
        parse_entry(line, &Origin::default())
    }

    #[test]
    #[allow(clippy::useless_conversion)]
    fn the_seeds_entry_is_a_read_only_bind() {
        let mount = entry("/lib /var/lib/lxc/temp/rootfs/lib none ro,bind 0 0").unwrap();
        assert_eq!((mount.source.as_str(), mount.target.as_str()), ("/lib", "/var/lib/lxc/temp/rootfs/lib"));
        assert_eq!(mount.flags.set, u64::from(libc::MS_RDONLY) | u64::from(libc::MS_BIND));
        assert_eq!(mount.data, "");
    }

    #[test]
    #[allow(clippy::useless_conversion)]
    fn options_are_flags_propagation_words_of_ours_or_data() {
        let mount = entry("tmpfs run tmpfs ro,nodev,size=1M,rw,rslave,optional,create=dir,mode=755").unwrap();
        assert_eq!(mount.flags.set, u64::from(libc::MS_NODEV));
        assert_eq!(mount.flags.clear, u64::from(libc::MS_RDONLY));
        assert_eq!(mount.flags.propagation, u64::from(libc::MS_SLAVE) | u64::from(libc::MS_REC));
        assert!(mount.optional);
        assert_eq!(mount.create, Some(CreateTarget::Dir));
        assert_eq!(mount.data, "size=1M,mode=755");
    }

    #[test]
    fn a_blank_is_written_in_octal() {
        assert_eq!(entry(r"/a\040b c\134d none bind").unwrap().source, "/a b");
        assert_eq!(entry(r"/a\04 c none bind").unwrap().source, r"/a\04");
        assert!(entry(r"/a\000b c none bind").is_err());
        assert!(entry(r"/a\377b c none bind").is_err());
    }

    #[test]
    fn a_lost_blank_is_put_back() {
        let check = |line: &str| {
            refuse_lost_blank(line, &["/", "/srv/foo/rootfs/"])
                .map_err(|error| error.to_string())
                .unwrap_err()
        };
        assert_eq!(
            check("/lib/srv/foo/rootfs/lib none ro,bind 0 0"),
            "\"/lib/srv/foo/rootfs/lib none ro,bind 0 0\": a blank is missing (probably meant: /lib \
             /srv/foo/rootfs/lib none ro,bind 0 0)"
        );
        assert!(
            check("/dev/sda1/srv/foo/rootfs ext4 defaults")
                .contains("/dev/sda1 /srv/foo/rootfs ext4 defaults)")
        );
        assert!(check("/srv/foo/rootfs/lib none ro,bind 0 0").contains("\"ro,bind\" stands where"));
        assert!(check("/liblib none ro,bind 0 0").contains("\"ro,bind\" stands where"));
        for fine in [
            "/lib /srv/foo/rootfs/lib none ro,bind 0 0",
            "/copy/srv/foo/rootfs/lib lib none bind",
            "/a b bind bind 0 0",
            "/a b bind mode=0755",
            "/a b",
        ] {
            refuse_lost_blank(fine, &["/srv/foo/rootfs"]).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (line, why) in [
            ("/lib", "has no target"),
            ("/lib lib", "has no file system type"),
            ("/lib lib none bind x 0", "its dump field \"x\" is no number"),
            ("/lib lib none bind 0 0 0", "is left over"),
            ("/lib lib none bind,create=link", "neither create=dir nor create=file"),
        ] {
            let text = format!("# comment\n\n  {line}\n");
            let error = parse(&text, &"fstab".into()).unwrap_err().to_string();
            assert!(error.starts_with("fstab:3:3: mount entry") && error.contains(why), "{error}");
        }
    }
}
