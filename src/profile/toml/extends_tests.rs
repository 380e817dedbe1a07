use super::read;
use crate::profile::Board;
use std::path::PathBuf;

/// A directory of profiles, gone with it.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("boardbox-extends-{name}-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("sub")).unwrap();
        Self(dir)
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.0.join(name), text).unwrap();
        self
    }

    /// The profile, or what is wrong with it, without the directory.
    fn read(&self, name: &str) -> Result<Board, String> {
        let dir = format!("{}/", self.0.display());
        read(self.0.join(name).to_str().unwrap()).map_err(|error| error.to_string().replace(&dir, ""))
    }

    fn error(&self, text: &str) -> String {
        self.write("p.toml", text).read("p.toml").unwrap_err()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const BOARD: &str = "[board]
name = 'board'
cpus = 4
compatible = ['x,y']
[[bridge]]
name = 'br0'
ports = ['eth0']
[[container]]
name = 'a'
rootfs = '/a'
environment = { A = '1', B = '2' }
mounts = [{ bind = '/lib', to = 'lib', read-only = true }, { type = 'tmpfs', to = 'tmp' }]
cpuset = { cpus = '0', mems = '0' }
devices = { deny = ['a'], allow = ['c 1:3 rw'] }
capabilities = { keep = ['kill'] }
network = [{ type = 'macvlan', link = 'br0', mode = 'vepa', name = 'eth0', ipv4 = '10.0.0.1/8' },
    { type = 'macvlan', link = 'br0', name = 'eth1' }]
[[container]]
name = 'b'
rootfs = '/b'
network = 'host'
[[container]]
config = 'c.conf'
";

fn files(name: &str) -> Files {
    let files = Files::new(name);
    files.write("board.toml", BOARD).write("c.conf", "lxc.tty = 1\n").write("sub/d.conf", "lxc.tty = 2\n");
    files
}

fn names(board: &Board) -> String {
    let names: Vec<&str> = board.containers.iter().map(|container| container.name.as_str()).collect();
    names.join(" ")
}

#[test]
fn tables_merge_by_key_and_sections_by_name() {
    let files = files("merge");
    let board = files
        .write(
            "p.toml",
            "extends = 'board.toml'
board.name = 'product'
bridge = [{ name = 'br0', ipv4 = '10.0.0.254/8' }, { name = 'br1' }]
[[container]]
name = 'new'
[[container]]
name = 'a'
environment = { B = '3', C = '4' }
mounts = [{ bind = '/x', to = '/tmp' }, { bind = '/usr', to = 'usr' }, { to = 'lib', drop = true }]
cpuset.cpus = '1'
devices.allow = ['c 1:5 r']
capabilities = { drop = ['kill'] }
network = [{ name = 'eth1', drop = true }, { name = 'eth0', ipv4 = '10.0.0.2/8' }]
[[container]]
name = 'b'
network = []
[[container]]
name = 'c'
settings = ['lxc.pts = 1']
",
        )
        .read("p.toml")
        .unwrap();
    assert_eq!((board.name.as_str(), board.cpus, board.compatible.len()), ("product", Some(4), 1));
    assert!(board.file.as_deref().unwrap().ends_with("/p.toml"));
    assert_eq!(names(&board), "a b c new");
    assert_eq!((board.bridges[0].ports.len(), board.bridges[0].ipv4.len(), board.bridges.len()), (1, 1, 2));
    let [a, b, c, _] = board.containers.as_slice() else { panic!() };
    let pairs: Vec<String> = a.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(pairs.join(" "), "A=1 B=3 C=4");
    let mounts: Vec<String> = a.mounts.iter().map(|m| format!("{} {}", m.source, m.target)).collect();
    assert_eq!(mounts.join(", "), "/x tmp, /usr usr");
    let rules: Vec<String> = a.cgroup.iter().map(|rule| format!("{} {}", rule.file, rule.value)).collect();
    assert_eq!(rules.join(", "), "cpuset.cpus 1, cpuset.mems 0, devices.deny a, devices.allow c 1:5 r");
    assert_eq!(a.capabilities.to_string(), "all but kill");
    assert_eq!((a.network.len(), a.network[0].ipv4[0].to_string().as_str()), (1, "10.0.0.2/8"));
    assert_eq!((b.rootfs.as_deref(), b.own_network), (Some("/b"), true));
    assert_eq!((c.tty, c.pts), (1, true));
}

#[test]
fn one_is_dropped_and_may_be_written_anew() {
    let files = files("drop");
    let drop = |name: &str| format!("[[container]]\nname = '{name}'\ndrop = true\n");
    files.write(
        "p.toml",
        &format!("extends = 'board.toml'\n{}[[container]]\nname = 'b'\n{}", drop("b"), drop("c")),
    );
    let board = files.read("p.toml").unwrap();
    assert_eq!((names(&board).as_str(), board.containers[1].rootfs.as_deref()), ("a b", None));
    let error = |rest: &str| files.error(&format!("extends = 'board.toml'\n{rest}"));
    assert_eq!(error(&drop("x")), "p.toml:2:1: there is no container \"x\" to drop");
    assert_eq!(
        error("bridge = [{ name = 'br9', drop = true }]"),
        "p.toml:2:11: there is no bridge \"br9\" to drop (did you mean br0?)"
    );
    assert_eq!(
        error("[[container]]\ntty = 1\nname = 'a'\ndrop = true"),
        "p.toml:3:1: key \"tty\" stands beside drop (an entry that drops another has its name and no more)"
    );
    assert_eq!(error("[[container]]\nname = 'a'\ndrop = 1"), "p.toml:4:8: 1 stands where true is expected");
    assert!(
        error("[[container]]\ndrop = true").starts_with("p.toml:2:1: there is no container \"\" to drop")
    );
    // What nothing is below of has nothing to drop.
    let lone = files.error("[board]\nname = 'b'\n[[container]]\nname = 'a'\ndrop = true");
    assert!(lone.starts_with("p.toml:5:1: container \"a\": unknown key \"drop\""), "{lone}");
}

#[test]
fn what_is_wrong_is_told_in_the_file_that_says_it() {
    let files = files("wrong");
    files.write("sub/other.toml", "extends = '../board.toml'\n[[container]]\nconfig = 'd.conf'\n[[container]]\nname = 'a'\ncpuset.cpus = '9'\n");
    let error = |rest: &str| files.error(&format!("extends = 'board.toml'\n{rest}"));
    assert_eq!(
        error("container = [{ name = 'a', tty = 99 }]"),
        "p.toml:2:34: container \"a\": tty: 99 is not a number 0..=32"
    );
    // A key of the one is refused for a value of the other's: where the value is.
    assert!(
        error("board.cpus = 1\n[[container]]\nname = 'a'\nmemory.limit = 'x'")
            .starts_with("p.toml:5:16: container \"a\": memory.limit")
    );
    assert!(error("[board]\nnam = 'x'").starts_with("p.toml:3:1: unknown key \"nam\""));
    assert!(
        files.error("extends = 'sub/other.toml'\n").starts_with(
            "sub/other.toml:6:15: container \"a\": cpuset.cpus: cpu list \"9\": there is no cpu 9"
        )
    );
    let board = files
        .write("p.toml", "extends = 'sub/other.toml'\ncontainer = [{ name = 'a', cpuset.cpus = '3' }]")
        .read("p.toml")
        .unwrap();
    // An LXC file is beside the file that names it.
    assert_eq!((names(&board).as_str(), board.containers[3].tty), ("a b c d", 2));
    assert_eq!(
        error("[[container]]\nname = 'a'\n[[container]]\nname = 'a'"),
        "p.toml:5:8: container \"a\" is declared twice (the first one: board.toml:8:1)"
    );
    files.write("bad.toml", "[board]\nname = 'b\n");
    assert!(files.error("extends = 'bad.toml'").starts_with("bad.toml:2:10: invalid literal string"));
    files.write("odd.toml", "[board]\nname = 'b'\n[[bridge]]\nname = 'x'\nmtu = 1\n");
    assert_eq!(
        files.error("extends = 'odd.toml'"),
        "odd.toml:5:7: bridge \"x\": mtu: 1 is not a number 68..=65535"
    );
    assert_eq!(error("extends = 'board.toml'").split(':').nth(1), Some("2"));
    assert!(files.error("extends = 3").starts_with("p.toml:1:11: 3 stands where a string is expected"));
    assert_eq!(
        files.error("\nextends = ['board.toml', 'gone.toml']"),
        "p.toml:2:26: extends: read profile gone.toml: No such file or directory"
    );
    assert_eq!(files.error("extends = []"), "p.toml:1:1: key \"board\" is missing");
}

#[test]
fn a_chain_is_followed_to_an_end() {
    let files = files("chain");
    files.write("p.toml", "extends = 'board.toml'\n[board]\ncpus = 8");
    files.write("q.toml", "extends = ['p.toml', 'part.toml']\n[board]\nname = 'q'");
    files.write("part.toml", "[[container]]\nname = 'part'\n[[container]]\nname = 'a'\nrootfs = '/part'");
    let board = files.read("q.toml").unwrap();
    assert_eq!((board.name.as_str(), board.cpus, names(&board).as_str()), ("q", Some(8), "a b c part"));
    assert_eq!(board.containers[0].rootfs.as_deref(), Some("/part"));

    files.write("one.toml", "extends = 'two.toml'").write("two.toml", "\nextends = 'one.toml'");
    assert_eq!(files.read("one.toml").unwrap_err(), "two.toml:2:11: extends: one.toml extends itself");
    assert_eq!(files.error("extends = 'p.toml'"), "p.toml:1:11: extends: p.toml extends itself");
    let hidden = files.error("extends = 'sub/../p.toml'");
    assert!(hidden.contains("extends: nests more than 16 deep (does a file extend itself?)"), "{hidden}");
    for depth in 0..16 {
        files.write(&format!("deep{depth}.toml"), &format!("extends = 'deep{}.toml'", depth + 1));
    }
    files.write("deep16.toml", "[board]\nname = 'deep'");
    assert_eq!(files.read("deep0.toml").unwrap().name, "deep");
    assert_eq!(
        files.error("extends = 'deep0.toml'"),
        "deep15.toml:1:11: extends: nests more than 16 deep (does a file extend itself?)"
    );
    let many = vec!["'board.toml'"; 70].join(", ");
    assert!(
        files
            .error(&format!("extends = [{many}]"))
            .contains("extends: the profile is made of more than 64 files")
    );
}

#[test]
fn the_readmes_example_is_as_it_says() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/boards/README.md")).unwrap();
    let example = readme.split_once("## `extends`").unwrap().1.split("```toml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let boards = concat!("extends = \"", env!("CARGO_MANIFEST_DIR"), "/boards/");
    let files = files("readme");
    let board = files.write("p.toml", &example.replace("extends = \"", boards)).read("p.toml").unwrap();
    assert_eq!((board.name.as_str(), board.cpus, names(&board).as_str()), ("gateway", Some(8), "foo23"));
    let rules: Vec<&str> = board.containers[0].cgroup.iter().map(|rule| rule.value.as_str()).collect();
    assert_eq!(rules, ["4-5", "1234", "a", "c 1:3 rw", "b 8:0 rw"]);
    let network: Vec<String> =
        board.containers[0].network.iter().map(|nic| nic.ipv4[0].to_string()).collect();
    assert_eq!(network, ["10.1.0.23/16"]);
}
