//! `plan` and `up` where no unified hierarchy is mounted. Alone in its program: the hierarchy is one for all mounts of it, and while
//! other tests' containers are in it `down` unmounts nothing.

mod sandbox;

use sandbox::Sandbox;

#[test]
fn plan_knows_the_hierarchy_that_up_would_mount() {
    let sandbox = Sandbox::unified();
    let unmounted = sandbox.sh(
        "for target in $(sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \\([^ ]*\\) .* - cgroup2 .*/\\1/p' /proc/self/mountinfo); do umount $target || exit 1; done",
    );
    assert_eq!(unmounted.code, 0, "{unmounted:?}");
    let (name, at) = (&sandbox.name("plan"), "/run/unified");
    let file = &sandbox.file(
        "board.toml",
        &format!(
            "[board]\nname = 't'\n[cgroup]\nlayout = 'v2'\nmountpoint = '{at}'\n[[container]]\nname = '{name}'\n\
             rootfs = '/var/lib/lxc/temp/rootfs'\ncommand = ['/bin/sleep', '1000']\n"
        ),
    );
    let said = sandbox.boardbox(&["plan", file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(said.out.contains(&format!("make cgroup {at}/boardbox/{name} ")), "{said:?}");
    let said = sandbox.boardbox(&["up", "-q", file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    // Freezing is v2's own.
    let said = sandbox.boardbox(&["status"]);
    assert!(said.out.contains(&format!("cgroup  freezer  {at} (cgroup v2), by up\n")), "{said:?}");
    let said = sandbox.boardbox(&["down", "-q"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    sandbox.assert_nothing_left(&[name]);
    assert!(!sandbox.sh("cat /proc/self/mounts").out.contains(at));
}
