use super::tree::{Entry, Kind, Tree};
use super::{Parts, build, cpio, table};

fn text(tree: &mut Tree, path: &str) {
    tree.put(path, Entry::new(Kind::Text(path.into()), 0o644)).unwrap();
}

fn paths(tree: &Tree) -> String {
    tree.entries.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_path_leads_over_links_and_what_was_there_goes() {
    let mut tree = Tree::default();
    tree.link("lib", "usr/lib").unwrap();
    tree.link("usr/lib64", "/usr/lib").unwrap();
    text(&mut tree, "/lib/./a");
    text(&mut tree, "usr/lib64/../lib64/b");
    assert_eq!(paths(&tree), "lib usr usr/lib usr/lib/a usr/lib/b usr/lib64");
    // A directory over a link to one is that one; a file takes the link's place.
    tree.directory("lib").unwrap();
    assert!(matches!(tree.entries["lib"].kind, Kind::Link(_)));
    text(&mut tree, "usr/lib");
    assert_eq!(paths(&tree), "lib usr usr/lib usr/lib64");
    text(&mut tree, "lib");
    assert!(matches!(tree.entries["lib"].kind, Kind::Text(_)));
    // A file where a directory has to be makes way.
    text(&mut tree, "lib/c");
    assert_eq!(paths(&tree), "lib lib/c usr usr/lib usr/lib64");
    tree.link("x", "y").unwrap();
    tree.link("y", "x").unwrap();
    let error = tree.put("x/z", Entry::new(Kind::Pipe, 0)).unwrap_err().to_string();
    assert_eq!(error, "/x/z: a circle of symbolic links");
    assert!(tree.get("x/z").is_none());
    // Nothing leads out of it.
    text(&mut tree, "../../etc/d");
    assert!(tree.entries.contains_key("etc/d"));
}

#[test]
fn a_table_makes_nodes_and_gives_away_files() {
    let path = std::env::temp_dir().join(format!("boardbox-table-{}", std::process::id()));
    let file = path.to_str().unwrap();
    let apply = |tree: &mut Tree, text: &str| {
        std::fs::write(&path, text).unwrap();
        table::apply(tree, file).map_err(|error| error.to_string().replace(file, "t"))
    };
    let mut tree = Tree::default();
    text(&mut tree, "srv/me/a");
    tree.link("srv/me/b", "a").unwrap();
    apply(
        &mut tree,
        "# name type mode uid gid major minor start inc count\n/dev/console c 600 0 0 5 1 - - -\n\
         /dev/mtdblock b 640 0 0 31 0 0 1 3\n/tmp d 1777 0 0\n/run/p p 600 1 2 # a pipe\n/srv/me r - 7 8\n/srv/me/a f 4755 9 0\n",
    )
    .unwrap();
    let shown = |tree: &Tree, path: &str| {
        let entry = &tree.entries[path];
        format!("{:?} {:o} {} {}", entry.kind, entry.mode, entry.uid, entry.gid)
    };
    assert_eq!(shown(&tree, "dev/console"), "Device(false, 5, 1) 600 0 0");
    assert_eq!(shown(&tree, "dev/mtdblock2"), "Device(true, 31, 2) 640 0 0");
    assert!(!tree.entries.contains_key("dev/mtdblock") && !tree.entries.contains_key("dev/mtdblock3"));
    assert_eq!(
        (shown(&tree, "tmp"), shown(&tree, "run/p")),
        ("Directory 1777 0 0".into(), "Pipe 600 1 2".into())
    );
    assert_eq!(
        (shown(&tree, "srv/me"), shown(&tree, "srv/me/b")),
        ("Directory 755 7 8".into(), "Link(\"a\") 777 7 8".into())
    );
    assert!(shown(&tree, "srv/me/a").ends_with("4755 9 0"));
    // `-` leaves it as it is; who gives away a link means what it leads to.
    apply(&mut tree, "/srv/me/b f - 3 4\n/tmp d\n/run/p p\n/new d\n/srv/me r 700 7 -\n/dev/null c - 0 0 1 3")
        .unwrap();
    assert!(shown(&tree, "srv/me/a").ends_with("700 7 4"));
    assert!(shown(&tree, "srv/me/b").ends_with("777 7 8"));
    assert_eq!(
        (shown(&tree, "tmp"), shown(&tree, "run/p")),
        ("Directory 1777 0 0".into(), "Pipe 600 1 2".into())
    );
    assert_eq!(
        (shown(&tree, "new"), shown(&tree, "dev/null")),
        ("Directory 755 0 0".into(), "Device(false, 1, 3) 600 0 0".into())
    );
    for (line, message) in [
        ("dev/x c 600 0 0 1 3", "t:2:3: path \"dev/x\" is not absolute"),
        ("/dev/x q 600", "t:2:3: type \"q\" is unknown (d directory"),
        ("/dev/x c 888", "t:2:3: mode \"888\" is not a number up to 7777, octal"),
        ("/dev/x c 600 -1", "t:2:3: uid \"-1\" is not a number up to 4294967294"),
        ("/dev/x c 600 0 0 4096 0", "t:2:3: major \"4096\" is not a number up to 4095"),
        ("/dev/x c 600 0 0 1 1 0 1 9999", "t:2:3: count \"9999\" is not a number up to 4096"),
        ("/dev/x c 600 0 0 1 1 0 1 1 x", "t:2:3: \"x\" is left over after ten columns"),
        ("/gone f 600 0 0", "t:2:3: /gone is not in the image (a row of type f or r is about"),
    ] {
        let error = apply(&mut tree, &format!("\n  {line}\n")).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn an_archive_is_what_the_kernel_reads() {
    let mut tree = Tree::default();
    text(&mut tree, "a/b");
    tree.put("c", Entry { uid: 3, gid: 4, ..Entry::new(Kind::Device(false, 5, 1), 0o600) }).unwrap();
    let mut out = Vec::new();
    cpio::write(&tree, 7, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let header = |fields: &[u32]| {
        "070701".to_string() + &fields.iter().map(|field| format!("{field:08X}")).collect::<String>()
    };
    let expected = header(&[1, 0o40755, 0, 0, 1, 7, 0, 0, 0, 0, 0, 2, 0])
        + "a\0"
        + &header(&[2, 0o100644, 0, 0, 1, 7, 3, 0, 0, 0, 0, 4, 0])
        + "a/b\0\0\0a/b\0"
        + &header(&[3, 0o20600, 3, 4, 1, 7, 0, 0, 0, 5, 1, 2, 0])
        + "c\0"
        + &header(&[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0])
        + "TRAILER!!!\0";
    assert_eq!(text.trim_end_matches('\0'), expected.trim_end_matches('\0'));
    assert!(text.len().is_multiple_of(512));
}

/// The image of a profile `p.FORM` whose directory has these files and links, and its warnings.
fn image(name: &str, form: &str, files: &[(&str, &str)], links: &[(&str, &str)]) -> (Tree, Vec<String>) {
    let dir = std::env::temp_dir().join(format!("boardbox-image-{name}-{}", std::process::id()));
    let path = |name: &str| dir.join(name).to_str().unwrap().to_string();
    std::fs::create_dir_all(dir.join("board")).unwrap();
    for (name, text) in files {
        std::fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
        std::fs::write(dir.join(name), text).unwrap();
    }
    let parts = Parts {
        overlays: vec![path("board")],
        profile: Some(path(&format!("p.{form}"))),
        links: links.iter().map(|(path, target)| (path.to_string(), target.to_string())).collect(),
        tables: files.iter().filter(|file| file.0 == "table").map(|file| path(file.0)).collect(),
        ..Parts::default()
    };
    let (tree, warnings) = build(&parts).unwrap();
    let short = |warning: &crate::error::Error| warning.to_string().replace(&path(""), "");
    let warnings = warnings.iter().map(short).collect();
    std::fs::remove_dir_all(&dir).unwrap();
    (tree, warnings)
}

#[test]
fn what_is_mounted_on_is_of_its_sources_kind() {
    let profile = "[board]\nname = 'b'\n[[container]]\nname = 'c'\nrootfs = '/srv/c'\nsys = 'none'\n\
                   cgroup-mount = 'mixed'\ncommand = ['/bin/sh']\nmounts = [{ bind = '/bin', to = 'bin' },\n\
                   { bind = '/etc/hosts', to = 'etc/hosts' }, { bind = '/opt/app', to = 'opt/app' },\n\
                   { bind = '/etc/resolv.conf', to = 'etc/resolv.conf', create = 'file' },\n\
                   { bind = '/tmp/spool', to = 'spool', create = 'dir' }, { type = 'tmpfs', to = 'tmp' },\n\
                   { bind = '/etc/localtime', to = 'etc/localtime' },\n\
                   { bind = '/dev/mtd0', to = 'flash/mtd0' }, { bind = '/dev/shm', to = 'flash/shm' }]\n";
    let table = "/dev/mtd c 600 0 0 90 0 0 2 1\n/dev/shm d 1777 0 0\n/srv/c/flash d 700 7 7\n";
    let files = [
        ("p.toml", profile),
        ("table", table),
        ("board/etc/hosts", "x"),
        ("board/opt/app/x", "x"),
        ("board/tmp/spool", "x"),
    ];
    let links = [("etc/resolv.conf", "../tmp/resolv.conf"), ("etc/localtime", "/run/localtime")];
    let (tree, warnings) = image("kinds", "toml", &files, &links);
    let inside: Vec<(&str, bool)> = tree
        .entries
        .iter()
        .filter_map(|(path, entry)| Some((path.strip_prefix("srv/c/")?, entry.kind == Kind::Directory)))
        .collect();
    let dirs = ["bin", "dev", "etc", "etc/localtime", "opt", "opt/app", "proc", "spool", "sys", "sys/fs"];
    let files = ["etc/hosts", "etc/resolv.conf", "flash/mtd0"];
    let dirs = dirs.iter().chain(&["sys/fs/cgroup", "tmp", "flash", "flash/shm"]).map(|path| (*path, true));
    let mut expected: Vec<(&str, bool)> = dirs.chain(files.map(|path| (path, false))).collect();
    expected.sort_unstable();
    assert_eq!(inside, expected);
    assert_eq!(
        warnings,
        [
            "p.toml:13:1: container \"c\": bind source /etc/localtime is not in the image: a directory is made to bind it on \
          (create = \"file\" or \"dir\" says what it is)"
        ]
    );
}

/// By what is in it: one that ends otherwise than in .toml became a container that may do all.
#[test]
fn a_profile_of_any_name_is_put_into_one_file_and_what_is_lost_is_told() {
    let lxc =
        "lxc.rootfs = /srv/old\nlxc.mount = fstab\nlxc.mount.entry = /bin bin none bind\nlxc.logfile = log\n";
    let files = [
        ("base.toml", "[board]\nname = 'b'\n"),
        ("p.cfg", "extends = 'base.toml'\n[[container]]\nconfig = 'old.conf'\n"),
        ("old.conf", lxc),
    ];
    let (tree, warnings) = image("names", "cfg", &files, &[]);
    let Kind::Text(text) = &tree.entries["etc/boardbox/board.toml"].kind else { panic!("a text") };
    let text = String::from_utf8_lossy(text);
    assert!(text.starts_with("[board]\nname = \"b\"\n") && text.contains("name = \"old\""), "{text}");
    assert_eq!(
        warnings,
        [
            "old.conf: fstab \"fstab\", a relative path,: has no equal in a profile: left out",
            "old.conf: log-file \"log\", a relative path,: has no equal in a profile: left out",
        ]
    );
}

#[test]
fn a_board_that_boots_has_proc_and_sys() {
    let files = [("p.toml", "[board]\nname = 'b'\n"), ("board/sys/x", ""), ("board/bin/busybox", "")];
    let links = [("usr/sbin/init", "/bin/busybox"), ("sbin", "usr/sbin"), ("sys", "proc")];
    let told = |name: &str| {
        format!(
            "image: there is no /{name} to mount the kernel's on: no container will start (a line of a --table makes it: \
             /{name} d 755 0 0)"
        )
    };
    assert_eq!(image("boots", "toml", &files, &links).1, [told("proc"), told("sys")]);
    assert_eq!(image("skeleton", "toml", &files, &[]).1, Vec::<String>::new());
    let table = [files[0], ("table", "/proc d 755 0 0\n/sys d\n")];
    assert_eq!(image("whole", "toml", &table, &[("init", "sbin/init")]).1, Vec::<String>::new());
}
