//! Rules of the code base that the compiler does not check: layers, sizes, names, and generated documents.

#[path = "tidy/paths.rs"]
mod paths;

use paths::{File, Graph, is_name, tokens_of};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

type Floors = [&'static [&'static str]];

/// Floors, bottom to top, with the rooms on each: files and folders of src/. A room may use itself and
/// the rooms on the floors below.
const FLOORS: &Floors = &[
    &["error", "sync", "clock", "handle_table", "process", "fd"],
    &["board"],
    &["worker"],
    &["state"],
    &["supervisor"],
    &["pool"],
    &["ffi"],
];

/// Rooms that must not use another one, whatever their floors are: (room, the other one).
const FORBIDDEN: [(&str, &str); 1] = [("supervisor", "pool")];

/// Rooms that use only one name of another one: (room, the other one, the name).
const ONLY: [(&str, &str, &str); 1] = [("pool", "supervisor", "Supervisor")];

/// The largest cycle of files that use each other, within a room. None may span rooms.
const CYCLE_MAX: usize = 3;

/// Whether a file uses the mod.rs of its own folder, in the search for cycles. Not counted: a room's main type
/// stands in its mod.rs (`Pool`, `Supervisor`, `Board`), the methods in the files of their nouns, and the type has a
/// field from most of these.
const CYCLES_THROUGH_MOD: bool = false;

/// Words of the implementation that the header must not use, in any case.
const PRIVATE_WORDS: [&str; 13] = [
    "board", "gone", "answers", "desk", "roll", "herald", "doom", "sentence", "nursery", "crew",
    "outbox", "fat", "worn",
];

/// The longest file, which holds one noun, and the longest function, which fits a screen.
const LINES_MAX: usize = 700;
const FUNCTION_LINES_MAX: usize = 60;

/// What is left over from writing.
const LEFT_OVERS: [&str; 6] = ["todo!", "unimplemented!", "dbg!", "#[ignore", "FIXME", "XXX"];

/// Where nothing unsafe is needed.
const SAFE: [&str; 4] = ["src/pool", "src/state", "src/supervisor", "src/error"];

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// src/<room>.rs or src/<room>/...
    fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap();
        inside.split('/').next().unwrap().trim_end_matches(".rs")
    }

    fn is_model(&self) -> bool {
        self.path.starts_with("src/board/models")
    }

    /// The lines with code, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate().map(|(number, line)| (number + 1, line));
        numbered
            .map(|(number, line)| (number, line.split("//").next().unwrap()))
            .filter(|(_, line)| !line.trim().is_empty())
    }
}

#[test]
fn rooms_use_only_rooms_below() {
    let mut wrong = Vec::new();
    for source in sources() {
        let room = source.room();
        let Some(floor) = FLOORS.iter().position(|rooms| rooms.contains(&room)) else {
            if source.path != "src/lib.rs" {
                wrong.push(format!("{} is in no room that this test knows", source.path));
            }
            continue;
        };
        let above: Vec<&str> = FLOORS[floor + 1..].iter().copied().flatten().copied().collect();
        for (line, path) in File::read(&source.path, &source.text, true).crate_paths() {
            let other = path.first().map_or("", String::as_str);
            if above.contains(&other) || FORBIDDEN.contains(&(room, other)) {
                wrong.push(format!("{}:{line} uses {other}, which lies above", source.path));
            }
        }
    }
    none(wrong);
}

#[test]
fn some_rooms_use_one_name_of_another() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (room, other, name) in ONLY {
            if source.room() != room {
                continue;
            }
            for (line, path) in File::read(&source.path, &source.text, true).crate_paths() {
                if path.first().is_some_and(|it| it == other)
                    && path.get(1).is_none_or(|used| used != name)
                {
                    let used = path.join("::");
                    wrong.push(format!("{}:{line} uses {used}, not {other}::{name}", source.path));
                }
            }
        }
    }
    none(wrong);
}

#[test]
fn atomics_come_through_one_door() {
    let doors = ["std::sync::atomic", "core::sync::atomic", "std::sync::{atomic", "loom::"];
    none_says(&doors, |source| !in_room(&source.path, "src/sync") && !source.is_model());
}

/// Those that may get the numbers of the standard three. (A received one passes through `fd::above_stdio`, in the
/// only file that receives.)
#[test]
fn descriptors_come_through_one_door() {
    let doors = [
        "eventfd(0",
        "epoll::create",
        "socketpair(",
        "pidfd_open(",
        "memfd_create(",
        "timerfd_create(",
        "signalfd(",
        "inotify::init",
        "fs::open(",
        "openat(",
        "pipe(",
        "pipe_with(",
        "net::accept",
        "net::socket(",
        "io::dup(",
        "fcntl_dupfd",
        "try_clone_to_owned",
        "try_clone()",
        "File::open",
        "File::create",
        "OpenOptions",
        "UnixStream",
        "libc::open",
        "libc::dup(",
        "libc::socket",
    ];
    none_says(&doors, |source| source.path != "src/fd.rs");
    none_says(&["recvmsg("], |source| source.path != "src/worker/channel.rs");
}

#[test]
fn raw_system_calls_stay_behind_three_doors() {
    let doors = ["src/sync.rs", "src/worker/exec_context.rs", "src/worker/unseen.rs"];
    none_says(&["libc::syscall"], |source| !doors.contains(&source.path.as_str()));
}

#[test]
fn some_rooms_need_nothing_unsafe() {
    let sources = sources();
    let mut wrong = Vec::new();
    for room in SAFE {
        if !sources.iter().any(|source| in_room(&source.path, room)) {
            wrong.push(format!("there is no {room}"));
        }
    }
    for source in
        sources.iter().filter(|source| SAFE.iter().any(|room| in_room(&source.path, room)))
    {
        for (number, line) in source.code() {
            if line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe") {
                wrong.push(format!("{}:{number} is unsafe", source.path));
            }
        }
    }
    none(wrong);
}

fn in_room(path: &str, room: &str) -> bool {
    path.strip_prefix(room).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for Source { path, text } in sources() {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{path} has {lines} lines"));
        }
        if !text.starts_with("//! ") {
            wrong.push(format!("{path} does not open by saying what it is"));
        }
    }
    none(wrong);
}

#[test]
fn functions_fit_a_screen() {
    let mut wrong = Vec::new();
    for Source { path, text } in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (start, line) in lines.iter().enumerate().filter(|(_, line)| begins_function(line)) {
            // A declaration without a body ends before anything is opened.
            let header_end =
                lines[start..].iter().position(|line| line.contains('{') || line.ends_with(';'));
            let has_body =
                header_end.is_some_and(|end| lines[start + end].trim_end().ends_with('{'));
            let closing = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            let length =
                lines[start..].iter().position(|line| *line == closing).map_or(0, |end| end + 1);
            if has_body && length > FUNCTION_LINES_MAX {
                wrong.push(format!("{path}:{} has a function of {length} lines", start + 1));
            }
        }
    }
    none(wrong);
}

fn begins_function(line: &str) -> bool {
    let code = line.trim_start();
    let qualifiers =
        ["pub", "pub(crate)", "pub(super)", "const", "unsafe", "extern", "async", "\"C\""];
    let mut words = code.split_whitespace().skip_while(|word| qualifiers.contains(word));
    words.next() == Some("fn")
}

#[test]
fn nothing_is_left_over() {
    none_says(&LEFT_OVERS, |_| true);
    let mut wrong = Vec::new();
    for Source { path, text } in sources() {
        for word in ["FIXME", "XXX", "TODO"] {
            if text.contains(word) {
                wrong.push(format!("{path} says {word}"));
            }
        }
    }
    none(wrong);
}

#[test]
fn the_map_names_every_room_and_only_files_that_exist() {
    let map = fs::read_to_string("src/lib.rs").unwrap();
    let map: String = map.lines().filter(|line| line.starts_with("//!")).collect();
    let mut wrong = Vec::new();
    for name in map.split('`').filter(|name| name.ends_with(".rs") && !name.contains(' ')) {
        if !Path::new("src").join(name).exists() {
            wrong.push(format!("the map in src/lib.rs names src/{name}, which does not exist"));
        }
    }
    for source in sources().iter().filter(|source| source.path != "src/lib.rs") {
        if !map.contains(&format!("`{}`", source.room())) {
            wrong.push(format!("the map in src/lib.rs does not name {}", source.room()));
        }
    }
    wrong.dedup();
    none(wrong);
}

const ARCHITECTURE: &str = "ARCHITECTURE.md";
const FILES: [&str; 2] = ["<!-- files -->", "<!-- /files -->"];

/// `make architecture` (UPDATE_ARCHITECTURE=1) writes the list anew.
#[test]
fn the_architecture_lists_every_file() {
    let text = fs::read_to_string(ARCHITECTURE).unwrap();
    let parts = text.split_once(FILES[0]).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(FILES[1])?;
        Some((before, after))
    });
    let Some((before, after)) = parts else {
        panic!("{ARCHITECTURE} has no place for the list of files: {} {}", FILES[0], FILES[1]);
    };
    let list = files_of(Path::new("src"));
    let wanted = format!("{before}{}\n\n{list}\n{}{after}", FILES[0], FILES[1]);
    if env::var_os("UPDATE_ARCHITECTURE").is_some() {
        fs::write(ARCHITECTURE, &wanted).unwrap();
    }
    let is_current = fs::read_to_string(ARCHITECTURE).unwrap() == wanted;
    assert!(is_current, "{ARCHITECTURE} is out of date: make architecture");
}

/// A line for each file with its first sentence: those of the folder, then those of each folder in it.
fn files_of(folder: &Path) -> String {
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let opens = |path: &Path| path.ends_with("lib.rs") || path.ends_with("mod.rs");
    paths.sort_by_key(|path| (path.is_dir(), !opens(path), path.clone()));
    let lines = paths.iter().map(|path| {
        if path.is_dir() {
            return format!("\n{}", files_of(path));
        }
        let inside = path.strip_prefix("src").unwrap().display();
        format!("- `{inside}` {}\n", first_sentence(&fs::read_to_string(path).unwrap()))
    });
    lines.collect()
}

/// Of the comment that opens a file, in Rust or C.
fn first_sentence(text: &str) -> String {
    let comment = text.lines().map(|line| {
        let line = line.trim_start_matches("//!").trim_start_matches("/*").trim_start_matches(" *");
        line.trim_end_matches("*/").trim()
    });
    let paragraph: Vec<&str> = comment.take_while(|line| !line.is_empty()).collect();
    let paragraph = paragraph.join(" ");
    paragraph.split_once(". ").map_or(paragraph.clone(), |(first, _)| format!("{first}."))
}

#[test]
fn no_type_name_is_defined_twice() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources() {
        for (line, name) in types_of(&source.text) {
            places.entry(name).or_default().push(format!("{}:{line}", source.path));
        }
    }
    places.retain(|_, places| places.len() > 1);
    none(places.iter().map(|(name, places)| format!("{name}: {}", places.join(", "))).collect());
}

/// The types that a file defines, with their lines; without those of traits.
fn types_of(text: &str) -> Vec<(usize, String)> {
    let tokens = tokens_of(text);
    let mut found = Vec::new();
    // For each block that is open: whether it is of a trait, or implements something.
    let (mut blocks, mut begins_impl) = (Vec::new(), false);
    for pair in tokens.windows(2) {
        let [(_, token), (line, next)] = [pair[0], pair[1]];
        match token {
            "{" => blocks.push(std::mem::take(&mut begins_impl)),
            "}" => {
                blocks.pop();
            }
            ";" => begins_impl = false,
            "impl" | "trait" => begins_impl = true,
            _ => {}
        }
        let defines = ["struct", "enum", "trait", "union"].contains(&token)
            || token == "type" && blocks.last() != Some(&true);
        if defines && is_name(next) {
            found.push((line, next.to_string()));
        }
    }
    found
}

#[test]
fn files_use_each_other_in_no_large_cycle() {
    let files = sources().into_iter().filter(|source| !source.is_model());
    let files: Vec<Source> = files.collect();
    let read = |source: &Source| File::read(&source.path, &source.text, false);
    let graph = Graph::new(files.iter().map(read).collect(), CYCLES_THROUGH_MOD);
    let mut wrong = Vec::new();
    for cycle in graph.cycles() {
        let mut rooms: Vec<&str> = cycle.iter().map(|file| files[*file].room()).collect();
        rooms.dedup();
        if cycle.len() > CYCLE_MAX || rooms.len() > 1 {
            let (count, rooms) = (cycle.len(), rooms.join(", "));
            wrong.push(format!(
                "{count} files of {rooms} use each other:\n{}\n",
                graph.describe(&cycle)
            ));
        }
    }
    none(wrong);
}

#[test]
fn every_mutation_applies_and_breaks_a_model() {
    check_fits("ffi-tests/mutations.py");
}

#[test]
fn every_planted_fault_applies() {
    check_fits("ffi-tests/planted_faults.py");
}

fn check_fits(script: &str) {
    let output = Command::new("python3").args([script, "--check"]).output().expect("python3");
    let told =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "\n{}", told.concat());
}

// ---- the header and what is built ---------------------------------------------------------------

#[test]
fn the_library_exports_what_the_header_declares() {
    let library = "out/lib/libcarpool.so";
    if !Path::new(library).exists() {
        println!("skipped: there is no {library}; run make first");
        return;
    }
    let output = Command::new("nm").args(["-D", "--defined-only", library]).output().unwrap();
    let mut exported: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter(|line| !line.contains(" A ")) // the names of versions
        .filter_map(|line| line.split_whitespace().last())
        .map(|name| name.split('@').next().unwrap().into())
        .collect();
    let mut declared: Vec<String> = functions().into_iter().map(|function| function.name).collect();
    exported.sort();
    declared.sort();
    assert_eq!(exported, declared, "the library exports the left, the header declares the right");
}

#[test]
fn every_function_is_explained() {
    let mut wrong = Vec::new();
    for function in functions() {
        if function.comment.is_empty() {
            wrong.push(format!("{} has no comment", function.name));
        } else if function.returns == "pool_status_t" && !function.comment.contains("@return") {
            wrong.push(format!("{} does not say what it returns", function.name));
        }
    }
    none(wrong);
}

#[test]
fn the_header_uses_no_private_words() {
    let mut wrong = Vec::new();
    for (number, line) in header().lines().enumerate() {
        for word in
            identifiers(line).filter(|it| PRIVATE_WORDS.contains(&it.to_lowercase().as_str()))
        {
            wrong.push(format!("include/carpool.h:{} says {word}", number + 1));
        }
    }
    none(wrong);
}

#[test]
fn the_version_is_one() {
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    let line = manifest.lines().find(|line| line.starts_with("version = ")).unwrap();
    let header = header();
    let number = |name: &str| {
        let macros = header.lines().filter_map(|line| line.strip_prefix("#define "));
        let mut values = macros.filter_map(|text| text.strip_prefix(name));
        values.next().unwrap_or("?").trim().to_string()
    };
    let parts = ["MAJOR", "MINOR", "PATCH"].map(|part| number(&format!("POOL_VERSION_{part} ")));
    assert_eq!(line, format!("version = \"{}\"", parts.join(".")));
}

/// Each row of its tables: what others have | how carpool does it | the test programs that prove it.
#[test]
fn the_architecture_tells_of_every_static_variable() {
    let text = fs::read_to_string(ARCHITECTURE).unwrap();
    let (_, table) = text.split_once("## Process-wide state").expect("a table of them");
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_model()) {
        let tests = source.text.find("#[cfg(all(test").unwrap_or(source.text.len());
        for line in source.text[..tests].lines().filter(|_| source.path != "src/sync/model.rs") {
            let Some(rest) = line.trim().strip_prefix("static ") else { continue };
            let name = rest.split(':').next().unwrap();
            // Others are C's.
            let is_own = name.chars().all(|letter| letter == '_' || letter.is_ascii_uppercase());
            if is_own && !table.contains(&format!("`{name}`")) {
                wrong.push(format!("{} has {name}", source.path));
            }
        }
    }
    none(wrong);
}

#[test]
fn the_coverage_names_functions_and_tests_that_exist() {
    let (coverage, header) =
        (fs::read_to_string("docs/coverage.md").unwrap(), without_comments(&header()));
    let declared: Vec<&str> = identifiers(&header).collect();
    let (mut rows, mut wrong) = (0, Vec::new());
    for (number, line) in coverage.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let &["", other, carpool, proof, ""] = &cells[..] else {
            continue;
        };
        if carpool == "carpool" || other.starts_with("---") {
            continue; // the head of a table
        }
        rows += 1;
        let mut complain =
            |what: String| wrong.push(format!("docs/coverage.md:{} {what}", number + 1));
        for name in code_in(carpool).flat_map(identifiers).filter(|name| !declared.contains(name)) {
            complain(format!("names {name}, which the header does not declare"));
        }
        for test in code_in(proof).filter(|test| !is_test(test)) {
            complain(format!("names the test {test}, which does not exist"));
        }
        if code_in(proof).next().is_none() && !proof.starts_with("none: ") {
            complain("names no test, and does not say why there is none".into());
        }
    }
    assert!(rows > 0, "docs/coverage.md has no rows");
    none(wrong);
}

#[test]
fn every_promise_of_reliability_names_tests_that_exist() {
    let (path, mut rows, mut wrong) = ("docs/reliability.md", 0, Vec::new());
    for (number, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let &["", promise, proof, ""] = &cells[..] else { continue };
        if promise == "promise" || promise.starts_with("---") {
            continue; // the head of a table
        }
        rows += 1;
        if code_in(proof).next().is_none() {
            wrong.push(format!("{path}:{} names no test", number + 1));
        }
        for test in code_in(proof).filter(|test| !is_test(test)) {
            wrong.push(format!("{path}:{} names {test}, which does not exist", number + 1));
        }
    }
    assert!(rows > 0, "{path} has no rows");
    none(wrong);
}

/// A program in one of the folders of ffi-tests, or a script beside them.
fn is_test(name: &str) -> bool {
    let root = Path::new("ffi-tests");
    let is_program = |folder: &Path| {
        ["support", "consumers"].iter().all(|other| !folder.ends_with(other))
            && ["c", "cc"].iter().any(|ending| folder.join(format!("{name}.{ending}")).exists())
    };
    let mut entries = fs::read_dir(root).unwrap().flatten();
    root.join(format!("{name}.py")).exists() || entries.any(|entry| is_program(&entry.path()))
}

/// What stands between backticks.
fn code_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.starts_with(|c: char| c.is_alphabetic()))
}

fn without_comments(text: &str) -> String {
    let rest = text.split("/*").skip(1).filter_map(|part| part.split_once("*/")).map(|part| part.1);
    text.split("/*").take(1).chain(rest).collect::<Vec<_>>().join(" ")
}

struct Function {
    name: String,
    returns: String,
    comment: String,
}

/// Each declaration in the header begins with CARPOOL_API, and its comment stands before it.
fn functions() -> Vec<Function> {
    let header = header();
    let parts: Vec<&str> = header.split("\nCARPOOL_API").collect();
    let declarations = parts.windows(2).map(|pair| {
        let before = pair[0].trim_end();
        let comment =
            if before.ends_with("*/") { before.rsplit("/**").next().unwrap() } else { "" };
        let declaration = pair[1].split('(').next().unwrap();
        let name_start = declaration.rfind([' ', '*', '\n']).unwrap() + 1;
        Function {
            name: declaration[name_start..].into(),
            returns: declaration[..name_start].trim().into(),
            comment: comment.into(),
        }
    });
    declarations.collect()
}

fn header() -> String {
    fs::read_to_string("include/carpool.h").unwrap()
}

// ---- reading the sources ------------------------------------------------------------------------

fn none_says(words: &[&str], applies_to: impl Fn(&Source) -> bool) {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| applies_to(source)) {
        for (number, line) in source.code() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{}:{number} says {word}", source.path));
            }
        }
    }
    none(wrong);
}

fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(Source {
                    text: fs::read_to_string(&path).unwrap(),
                    path: path.display().to_string(),
                });
            }
        }
    }
    assert!(Path::new("src").exists(), "runs in {:?}", env::current_dir());
    let mut found = Vec::new();
    walk(Path::new("src"), &mut found);
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}
