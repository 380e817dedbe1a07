//! What the documentation says is so: links lead somewhere, commands exist, excerpts are the files'.

use std::path::{Path, PathBuf};
use std::process::Command;

const TOP: &str = env!("CARGO_MANIFEST_DIR");
const BOARDBOX: &str = env!("CARGO_BIN_EXE_boardbox");
const README: &str = include_str!("../README.md");

/// The tree's files but for what is built and what git keeps, by their paths from the top.
fn files() -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                if ![".git", "target", "dist", ".cache"].iter().any(|name| path == Path::new(TOP).join(name))
                {
                    walk(&path, found);
                }
            } else if entry.file_type().unwrap().is_file() && entry.file_name() != ".git" {
                found.push(path.strip_prefix(TOP).unwrap().into());
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(TOP), &mut found);
    found
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(Path::new(TOP).join(path)).unwrap()).into_owned()
}

fn documents() -> Vec<(PathBuf, String)> {
    let of = |path: PathBuf| (path.extension()? == "md").then(|| (path.clone(), read(&path)));
    let found: Vec<_> = files().into_iter().filter_map(of).collect();
    assert!(found.len() > 8, "{}", found.len());
    found
}

/// The text without what stands in fences, and what stands in them, each with the word after the fence.
fn fences(text: &str) -> (String, Vec<(&str, &str)>) {
    let (mut prose, mut code) = (String::new(), Vec::new());
    for (number, part) in text.split("\n```").enumerate() {
        match (number % 2, part.split_once('\n')) {
            (0, _) => prose.push_str(part),
            (_, Some((word, inside))) => code.push((word, inside)),
            (_, None) => panic!("an empty fence"),
        }
    }
    (prose, code)
}

/// A heading as links call it.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut links = 0;
    for (path, text) in documents() {
        let (prose, _) = fences(&text);
        for (before, after) in prose.split("](").zip(prose.split("](").skip(1)) {
            assert!(before.contains('['), "{}: {before}", path.display());
            let link = after.split(')').next().unwrap();
            if link.starts_with("https://") {
                continue;
            }
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                _ => path.parent().unwrap().join(file),
            };
            assert!(Path::new(TOP).join(&target).exists(), "{}: {link}", path.display());
            if !place.is_empty() {
                let there = read(&target);
                let found = there.lines().any(|line| line.starts_with('#') && anchor(line) == place);
                assert!(found, "{}: {link}", path.display());
            }
            links += 1;
        }
    }
    assert!(links > 10, "{links}");
}

/// The words that follow `boardbox ` where it is typed: in fences and between backquotes.
fn commands(text: &str) -> Vec<String> {
    let (prose, code) = fences(text);
    let mut typed: Vec<String> =
        prose.split('`').skip(1).step_by(2).map(|words| words.replace('\n', " ")).collect();
    // A file's comments are prose.
    let shell = code.iter().filter(|(word, _)| matches!(*word, "" | "sh"));
    typed.extend(shell.flat_map(|(_, text)| text.lines().map(String::from)));
    let mut found = Vec::new();
    for line in typed {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            if pair[0] == "boardbox" || pair[0].ends_with("sbin/boardbox") {
                found.push(pair[1].to_string());
            }
        }
    }
    found
}

#[test]
fn commands_exist() {
    let usage = Command::new(BOARDBOX).arg("--help").output().unwrap().stdout;
    let usage = String::from_utf8(usage).unwrap();
    let known: Vec<&str> = usage
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut seen = Vec::new();
    for (path, text) in documents() {
        for word in commands(&text) {
            let is_command =
                word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
            if !is_command || word == "help" {
                continue;
            }
            let exists = known.contains(&word.as_str())
                || (word.starts_with("lxc-")
                    && Command::new(BOARDBOX).args([&word, "--help"]).output().unwrap().status.success());
            // `ln -s boardbox NAME`, and the demo's `hostname board`.
            assert!(exists, "{}: boardbox {word}", path.display());
            seen.push(word);
        }
    }
    for command in known {
        assert!(seen.iter().any(|word| word == command), "no document has boardbox {command}");
    }
}

#[test]
fn lxcs_programs_are_those_that_the_readme_has() {
    let list = README.split_once("for program in ").unwrap().1.split(';').next().unwrap();
    let works = |name: &str| {
        let help = Command::new(BOARDBOX).args([name, "--help"]).output().unwrap();
        help.status.code()
    };
    for program in list.split_whitespace() {
        assert_eq!(works(&format!("lxc-{program}")), Some(0), "{program}");
    }
    let later = README.split_once("**LXC programs**:").unwrap().1.split('.').next().unwrap();
    let later: Vec<&str> = later.split([',', ' ', '\n']).filter(|word| !word.is_empty()).collect();
    assert!(later.len() > 5, "{later:?}");
    for program in later {
        assert_eq!(works(program), Some(255), "{program} is there by now");
    }
}

#[test]
fn the_readmes_profile_is_the_boards() {
    let (_, code) = fences(README);
    let excerpts: Vec<&str> =
        code.iter().filter(|(word, _)| *word == "toml").map(|(_, text)| *text).collect();
    assert_eq!(excerpts.len(), 1);
    let path = std::env::temp_dir().join(format!("boardbox-docs-{}.toml", std::process::id()));
    std::fs::write(&path, excerpts[0]).unwrap();
    let board = boardbox::profile::toml::read(path.to_str().unwrap());
    std::fs::remove_file(&path).unwrap();
    let board = board.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(board.name, "p4080ds");
    let whole = read(Path::new("boards/p4080ds.toml"));
    for line in excerpts[0].lines() {
        assert!(whole.lines().any(|other| other == line), "boards/p4080ds.toml has no line {line}");
    }
}

#[test]
fn the_readmes_session_is_the_demos() {
    let demo = read(Path::new("scripts/demo"));
    let (_, code) = fences(README);
    let session = code.iter().find(|(_, text)| text.starts_with("## ")).unwrap().1;
    let mut titles = session.lines().filter_map(|line| line.strip_prefix("## "));
    for line in demo.lines().filter_map(|line| line.strip_prefix("title '")) {
        assert_eq!(titles.next(), Some(line.trim_end_matches('\'')), "paste make demo's output anew");
    }
    assert_eq!(titles.next(), None);
    assert!(session.contains("demo: all as claimed"));
}

#[test]
fn nothing_tells_where_it_was_written() {
    // In pieces, for this file is one of them.
    let places =
        [concat!("/wo", "rk/"), concat!("/tmp/", "wt"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    for path in files() {
        let text = read(&path);
        for place in places {
            assert!(!text.contains(place), "{}: {place}", path.display());
        }
    }
}

#[test]
fn man_pages_have_every_command_and_key_and_are_the_same_each_time() {
    let dir = std::env::temp_dir().join(format!("boardbox-docs-man-{}", std::process::id()));
    let pages = |name: &str| {
        let made = Command::new(Path::new(TOP).join("scripts/man")).arg(dir.join(name)).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        ["boardbox.8", "boardbox-profile.5"]
            .map(|page| std::fs::read_to_string(dir.join(name).join(page)).unwrap())
    };
    let (first, second) = (pages("a"), pages("b"));
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(first, second);
    let [commands, profile] = first;
    for heading in read(Path::new("docs/commands.md")).lines().filter_map(|line| line.strip_prefix("### ")) {
        assert!(commands.contains(&format!(".SS \"{heading}\"\n")), "{heading}");
    }
    let keys = read(Path::new("boards/README.md"));
    let keys =
        keys.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|line| line.split('`').next());
    let mut count = 0;
    for key in keys {
        assert!(profile.contains(&format!("\\fB{}\\fR", key.replace('-', "\\-"))), "{key}");
        count += 1;
    }
    assert!(count > 70, "{count}");
    for page in [commands, profile] {
        assert!(page.is_ascii() && page.starts_with(".\\\" Made by scripts/man"));
        for line in page.lines() {
            assert!(!line.contains("](") && !line.contains('`'), "left of the Markdown: {line}");
        }
    }
}
