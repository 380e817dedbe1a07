//! `mounts = [...]`.

use super::Profile;
use super::boards::as_is;
use super::tree::{Node, Table};
use crate::error::{Error, Result};
use crate::profile::container::{CreateTarget, Mount, MountFlags};
use crate::profile::text::shown;
use crate::profile::{field, fstab};

const KEYS: &[&str] =
    &["bind", "type", "source", "to", "read-only", "recursive", "options", "optional", "create"];

/// One mount. What is wrong with it is noted with the profile.
pub fn mount(profile: &Profile, node: Node) -> Mount {
    #[allow(clippy::useless_conversion)] // c_ulong has 32 bits on powerpc
    let (bind_bit, recursive_bit, read_only_bit): (u64, u64, u64) =
        (libc::MS_BIND.into(), libc::MS_REC.into(), libc::MS_RDONLY.into());
    let mut table = Table::open(profile, node, "mounts.", KEYS);
    let table = &mut table;
    let whole = table.span.clone();
    let mut mount = Mount {
        source: String::new(),
        target: table.read("to", target).unwrap_or_default(),
        fstype: "none".into(),
        flags: MountFlags::default(),
        data: String::new(),
        optional: table.flag("optional").unwrap_or(false),
        create: table.read("create", create),
        origin: profile.origin(whole.clone()),
    };
    if mount.target.is_empty() {
        table.missing(Error::config("mounts: key \"to\" is missing"));
    }
    let source = table.word("source");
    let recursive = table.flag("recursive");
    match (table.read("bind", field::absolute), table.read("type", as_is)) {
        (Some(bind), None) => {
            mount.source = bind;
            mount.flags.set = if recursive == Some(true) { bind_bit | recursive_bit } else { bind_bit };
            if let Some(source) = source {
                let error = Error::config("stands beside bind").hint("bind names the source");
                table.wrong(error, "source", source.span());
            }
        }
        (None, Some(fstype)) => {
            mount.source = source.map_or_else(|| fstype.clone(), |source| source.into_inner());
            mount.fstype = fstype;
            if recursive.is_some() {
                profile.note(Error::config("mounts: recursive is for a bind"), whole);
            }
        }
        _ => {
            let error = Error::config("mounts: either bind or type is needed")
                .hint("{ bind = \"/lib\", to = \"lib\" } or { type = \"tmpfs\", to = \"run\" }");
            table.missing(error);
        }
    }
    if let Some(options) = table.word("options")
        && let Err(error) = fstab::apply_options(&mut mount, options.get_ref())
    {
        table.wrong(error, "options", options.span());
    }
    if let Some(wanted) = table.flag("read-only") {
        let (to, from) = match wanted {
            true => (&mut mount.flags.set, &mut mount.flags.clear),
            false => (&mut mount.flags.clear, &mut mount.flags.set),
        };
        *to |= read_only_bit;
        *from &= !read_only_bit;
    }
    mount
}

fn create(text: &str) -> Result<CreateTarget> {
    match text {
        "dir" => Ok(CreateTarget::Dir),
        "file" => Ok(CreateTarget::File),
        _ => Err(Error::config(format!("\"{}\" is unknown", shown(text))).hint("dir or file")),
    }
}

/// A target is inside the rootfs, with or without a slash before it.
fn target(text: &str) -> Result<String> {
    let path = text.trim_start_matches('/');
    match path.is_empty() || path.split('/').any(|part| part == "..") {
        true => Err(Error::config(format!("\"{}\" is not a path below the root file system", shown(text)))
            .hint("as in \"lib\" or \"/lib\", without ..")),
        false => Ok(path.into()),
    }
}
