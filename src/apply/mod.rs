//! Walks the steps of a plan: do, skip what is already true, note how to take it back.

pub mod board;
pub mod bridge;
mod cgroup;
pub mod devices;
pub mod host;
mod record;
pub mod run;
pub mod status;
pub mod undo;
pub mod unified;

pub use cgroup::{alias as weight_alias, write as write_cgroup};
pub use undo::{Journal, Undo, undo_all};

use crate::error::{Error, Result};
use crate::plan::devices::evaluate;
use crate::plan::{Planned, Step};
use crate::sys::{file, hierarchy};
use nix::errno::Errno;
use unified::Passed;

/// Performs a step of `Place::Host` or `Place::Late` and notes how to take it back. What is already true is skipped, and
/// noted nowhere.
pub fn perform(planned: &Planned, journal: &mut dyn Journal) -> Result<()> {
    log::info!("{}", planned.step);
    let done = match &planned.step {
        Step::MakeDir { path } => make_dir(path, journal),
        Step::MountTmpfs { target } => {
            let undo = Undo::Unmount { target: target.clone() };
            undo::noted(journal, undo, || hierarchy::mount_tmpfs(target))
        }
        Step::MountHierarchy { controllers, target, favordynmods } => {
            let undo = Undo::UnmountHierarchy { target: target.clone() };
            undo::noted(journal, undo, || hierarchy::mount_v1(controllers, target, *favordynmods))
        }
        Step::MakeCgroup { controllers, root, path } => cgroup::make(controllers, root, path, journal),
        Step::MakeUnified { root, path, enable, also, payload } => {
            unified::make(root, path, Passed { enable, also, payload: *payload }, journal)
        }
        Step::MountUnified { target } => {
            let undo = Undo::UnmountHierarchy { target: target.clone() };
            undo::noted(journal, undo, || hierarchy::mount_v2(target))
        }
        Step::DeviceProgram { dir, rules } => devices::set(dir, &evaluate(rules)),
        Step::WriteCgroup { dir, file, value } => cgroup::write(dir, file, value),
        Step::MakeBridge { .. }
        | Step::EnslavePort { .. }
        | Step::MakeVeth { .. }
        | Step::HairpinOn { .. }
        | Step::LearningOff { .. }
        | Step::DisableIpv6 { .. }
        | Step::PinBridgeAddress { .. }
        | Step::SetMtu { .. }
        | Step::AddAddress4 { .. }
        | Step::AddAddress6 { .. }
        | Step::LinkUp { .. } => bridge::perform(&planned.step, journal),
        other => Err(Error::host("is no step of the host").tried(other.to_string())),
    };
    done.map_err(|error| error.at(&planned.origin))
}

/// The directory and those missing above it.
fn make_dir(path: &str, journal: &mut dyn Journal) -> Result<()> {
    let ends = path.match_indices('/').map(|(at, _)| at).filter(|&at| at > 0).chain([path.len()]);
    for dir in ends.filter_map(|end| path.get(..end)) {
        // Looked at first: on a read-only or automounted file system mkdir need not say "exists".
        match std::fs::metadata(dir) {
            Ok(there) if there.is_dir() => continue,
            Ok(_) => return Err(Error::sys(format!("make directory {dir}"), Errno::ENOTDIR)),
            Err(_) => {}
        }
        undo::noted(journal, Undo::RemoveDir { path: dir.to_owned() }, || {
            file::make_dir(dir).map_err(|error| match Errno::from_raw(error.errno) {
                Errno::EROFS | Errno::EPERM if dir.starts_with("/sys/") => error
                    .hint("only the kernel makes directories there: is /sys mounted, and does the kernel have cgroups?"),
                Errno::EROFS => error.hint("the file system is mounted read-only"),
                _ => error,
            })
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Origin;
    use crate::plan::Place;

    #[test]
    fn directories_are_made_to_the_root_and_only_those_are_noted() {
        let base = format!("{}/boardbox-apply-{}", std::env::temp_dir().display(), std::process::id());
        let path = format!("{base}/a/b");
        let step = Step::MakeDir { path: path.clone() };
        let planned = Planned { place: Place::Host, step, origin: Origin::default() };
        let mut undo = Vec::new();
        perform(&planned, &mut undo).unwrap();
        assert!(std::fs::metadata(&path).unwrap().is_dir());
        assert_eq!(undo.len(), 3);
        perform(&planned, &mut undo).unwrap();
        assert_eq!(undo.len(), 3);
        assert!(undo_all(&mut undo).is_empty());
        assert!(std::fs::metadata(&base).is_err());

        std::fs::write(&base, "").unwrap();
        let error = perform(&planned, &mut undo).unwrap_err();
        assert_eq!(error.to_string(), format!("make directory {base}: Not a directory"));
        assert!(undo.is_empty());
        std::fs::remove_file(&base).unwrap();
    }
}
