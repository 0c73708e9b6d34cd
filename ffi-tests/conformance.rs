//! Builds the C programs in the folders beside this file against the library in out/, and runs each of
//! them for every kind of worker, in a process group of its own and under a watchdog.
//!
//! A program promises one thing and is named after it. It gets the kind as its argument and answers
//! with its exit code: 0 passed, 77 nothing to test for this kind, else failed. What it printed is
//! shown only then. Words on the command line choose the programs whose names contain them, and
//! kind=NAME chooses the kinds. CC, CFLAGS, CXX and CXXFLAGS mean what they do for make.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// Each program runs once for each of these.
const KINDS: [&str; 6] = ["thread", "spawn", "forkserver", "fork", "inline", "isolated"];

/// These run where they are chosen by name, and in the folder that is about them.
const MORE_KINDS: [&str; 2] = ["isolated_forkserver", "isolated_fork"];
const FOLDER_OF_MORE_KINDS: &str = "isolation";

/// Far more than any program needs: what takes longer hangs.
const WATCHDOG: Duration = Duration::from_secs(120);

/// A process that is still there so long after its program has ended was left behind.
const GRACE: Duration = Duration::from_secs(1);

/// How many compilers run at once.
const COMPILERS: usize = 2;

/// Folders that hold no programs for this runner: headers and libraries of the programs, and projects
/// that use an installed carpool. Every other folder does.
const OTHER_FOLDERS: [&str; 3] = ["support", "consumers", "model"];

const SKIPPED: i32 = 77;
const BUILT: &str = "out/tests";

/// One source, built in several ways: (program, name of the variant, flags).
const VARIANTS: [(&str, &str, &[&str]); 15] = [
    ("functions_of_the_main_program", "pie", &["-fPIE", "-pie"]),
    ("functions_of_the_main_program", "no_pie", &["-fno-pie", "-no-pie"]),
    ("functions_of_the_main_program", "stripped", &["-s"]),
    ("functions_of_the_main_program", "rdynamic", &["-rdynamic", "-DEXPORTED"]),
    ("functions_of_the_main_program", "lazy", &["-Wl,-z,lazy"]),
    ("functions_of_the_main_program", "now", &["-Wl,-z,now"]),
    (
        "functions_of_the_main_program",
        "no_pie_stripped_now",
        &["-fno-pie", "-no-pie", "-s", "-Wl,-z,now"],
    ),
    ("functions_of_the_main_program", "with_worker_main", &["-DWITH_WORKER_MAIN"]),
    ("main_never_runs_in_a_worker", "pie", &["-fPIE", "-pie"]),
    ("main_never_runs_in_a_worker", "no_pie", &["-fno-pie", "-no-pie"]),
    ("a_constructor_may_use_a_pool", "opened", &[]),
    ("a_constructor_may_use_a_pool", "linked", &["-DLINKED", "-lconstructor"]),
    ("functions_that_are_not_exported_have_names", "no_pie", &["-fno-pie", "-no-pie"]),
    ("functions_that_are_not_exported_have_names", "no_build_id", &["-Wl,--build-id=none"]),
    ("functions_that_are_not_exported_have_names", "stripped", &["-s", "-DSTRIPPED"]),
];

/// Libraries that are built several times: (source, name of the library, flags).
const BUILDS: [(&str, &str, &[&str]); 4] = [
    ("changing", "changing_1", &["-DBUILD=1"]),
    ("changing", "changing_2", &["-DBUILD=2"]),
    ("unexported", "unexported", &[]),
    ("unexported", "unexported_stripped", &["-s"]),
];

/// Programs that are linked with a library of support/libraries.
const LINKED: [(&str, &str); 1] = [("functions_in_a_library", "-lfunctions")];

/// One thing to run: a command line, and what it must print if that is known.
struct Test {
    name: String,
    kind: String,
    command: Vec<String>,
    prints: Option<String>,
    /// It runs only if its kind is chosen.
    is_extra: bool,
}

/// A compiler's command line and what it makes.
struct Build {
    name: String,
    command: Command,
}

/// The compilers, with the flags that all programs and libraries have in common.
struct Compilers {
    c: cc::Tool,
    cxx: cc::Tool,
}

enum Outcome {
    Passed,
    Skipped,
    Failed(String),
}

fn main() -> ExitCode {
    let (kinds, filters): (Vec<String>, Vec<String>) = env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .partition(|word| word.starts_with("kind="));
    if !Path::new("out/lib/libcarpool.so").exists() {
        eprintln!("out/lib/libcarpool.so is missing: run make first");
        return ExitCode::FAILURE;
    }
    fs::create_dir_all(BUILT).unwrap();
    let compilers = Compilers::find();
    let (mut tests, builds) = programs(&compilers);
    tests.extend(examples().into_iter().chain(python()));
    let all = tests.len();
    tests.retain(|test| {
        let kind = format!("kind={}", test.kind);
        (filters.is_empty() || filters.iter().any(|word| test.name.contains(word.as_str())))
            && (if kinds.is_empty() { !test.is_extra } else { kinds.contains(&kind) })
    });
    let builds: Vec<Build> = builds
        .into_iter()
        .filter(|build| tests.iter().any(|test| test.name == build.name))
        .collect();

    let start = Instant::now();
    println!("\nbuilding {} programs", builds.len());
    if !compile(libraries(&compilers)) || !compile(builds) {
        return ExitCode::FAILURE;
    }
    println!("running {} tests", tests.len());
    let (mut passed, mut skipped, mut failed) = (0, 0, Vec::new());
    for test in &tests {
        let began = Instant::now();
        let outcome = run(test);
        let line = format!("{} {} {:.2}s", test.name, test.kind, began.elapsed().as_secs_f64());
        match outcome {
            Outcome::Passed => {
                passed += 1;
                println!("ok {line}");
            }
            Outcome::Skipped => {
                skipped += 1;
                println!("skipped {line}");
            }
            Outcome::Failed(why) => {
                println!("FAILED {line}\n{}\n", why.trim_end());
                failed.push(format!("    {} {}", test.name, test.kind));
            }
        }
    }
    if !failed.is_empty() {
        println!("\nfailures:\n{}", failed.join("\n"));
    }
    println!(
        "\ntest result: {}. {passed} passed; {} failed; {skipped} ignored; 0 measured; {} filtered out; \
         finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        failed.len(),
        all - tests.len(),
        start.elapsed().as_secs_f64(),
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

// ---- what there is to build and to run ----------------------------------------------------------

fn programs(compilers: &Compilers) -> (Vec<Test>, Vec<Build>) {
    let (mut tests, mut builds) = (Vec::new(), Vec::new());
    for source in sources() {
        let stem = stem(&source);
        let mut variants: Vec<(String, &[&str])> = VARIANTS
            .iter()
            .filter(|(program, ..)| *program == stem)
            .map(|(_, variant, flags)| (format!("{stem}.{variant}"), *flags))
            .collect();
        if variants.is_empty() {
            variants.push((stem.clone(), &[]));
        }
        for (name, flags) in variants {
            let linked =
                LINKED.iter().filter(|(program, _)| *program == stem).map(|(_, flag)| *flag);
            let program = format!("{BUILT}/{name}");
            let mut command = compilers.command(&source, &program);
            command.args(flags).args(linked).args(["-Lout/lib", "-lcarpool", "-lm"]);
            command.args(["out/lib", BUILT].map(runtime_path));
            builds.push(Build { name: name.clone(), command });
            let is_about = source.parent().is_some_and(|it| it.ends_with(FOLDER_OF_MORE_KINDS));
            let more = MORE_KINDS.iter().map(|kind| (*kind, !is_about));
            for (kind, is_extra) in KINDS.iter().map(|kind| (*kind, false)).chain(more) {
                tests.push(Test {
                    name: name.clone(),
                    kind: kind.into(),
                    command: vec![program.clone(), kind.into()],
                    prints: None,
                    is_extra,
                });
            }
        }
    }
    (tests, builds)
}

/// The programs of all folders, by name: the folder only says what a program is about.
fn sources() -> Vec<PathBuf> {
    let folders = fs::read_dir("ffi-tests").unwrap().flatten().map(|entry| entry.path());
    let folders = folders.filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        path.is_dir() && !OTHER_FOLDERS.contains(&name)
    });
    let mut found: Vec<PathBuf> = folders.flat_map(|folder| files(&folder)).collect();
    found.retain(|path| path.extension().is_some_and(|ending| ending == "c" || ending == "cc"));
    found.sort_by_key(|path| stem(path));
    for pair in found.windows(2) {
        assert!(stem(&pair[0]) != stem(&pair[1]), "{pair:?} have the same name");
    }
    found
}

fn libraries(compilers: &Compilers) -> Vec<Build> {
    let mut builds = Vec::new();
    for source in files(Path::new("ffi-tests/support/libraries")) {
        let stem = stem(&source);
        if source.extension().is_none_or(|ending| ending != "c") {
            continue;
        }
        let mut named: Vec<(&str, &[&str])> = BUILDS
            .iter()
            .filter(|(of, ..)| *of == stem)
            .map(|(_, name, flags)| (*name, *flags))
            .collect();
        if named.is_empty() {
            named.push((&stem, &[]));
        }
        for (name, flags) in named {
            let mut command = compilers.command(&source, &format!("{BUILT}/lib{name}.so"));
            command.args(["-shared", "-fPIC"]).args(flags).args(["-Lout/lib", "-lcarpool"]);
            command.arg(runtime_path("out/lib"));
            builds.push(Build { name: name.into(), command });
        }
    }
    builds
}

impl Compilers {
    fn find() -> Self {
        let rustc = Command::new("rustc").arg("-vV").output().unwrap();
        let version = String::from_utf8(rustc.stdout).unwrap();
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let mut build = cc::Build::new();
        build
            .cargo_metadata(false)
            .out_dir(BUILT)
            .host(host)
            .target(host)
            .opt_level(2)
            .debug(true)
            .force_frame_pointer(false)
            .pic(false)
            .warnings(true)
            .extra_warnings(true)
            .warnings_into_errors(true)
            .include("out/include")
            .include("ffi-tests/support")
            .flag("-Wpedantic")
            .flag("-pthread");
        Self {
            c: build.clone().std("c11").get_compiler(),
            cxx: build.cpp(true).std("c++11").get_compiler(),
        }
    }

    /// Compiles and links a source. What follows on the command line comes behind it, as libraries must.
    fn command(&self, source: &Path, output: &str) -> Command {
        let is_cxx = source.extension().is_some_and(|ending| ending == "cc");
        let mut command = if is_cxx { &self.cxx } else { &self.c }.to_command();
        command.args(["-Wl,--build-id", &format!("-L{BUILT}"), "-o", output]).arg(source);
        command
    }
}

fn runtime_path(folder: &str) -> String {
    format!("-Wl,-rpath,{}", fs::canonicalize(folder).unwrap().display())
}

/// The examples tell in their first comment what they print.
fn examples() -> Vec<Test> {
    let mut tests = Vec::new();
    for source in files(Path::new("examples-c")) {
        let Ok(text) = fs::read_to_string(&source) else {
            continue;
        };
        let Some(prints) = promised_output(&text) else {
            continue;
        };
        let program = format!("out/bin/{}", stem(&source));
        let mut kinds = vec![("process", vec![program.clone()])];
        if text.contains("--threads") {
            kinds.push(("thread", vec![program, "--threads".into()]));
        }
        for (kind, command) in kinds {
            let (name, prints) = (format!("example_{}", stem(&source)), Some(prints.clone()));
            tests.push(Test { name, kind: kind.into(), command, prints, is_extra: false });
        }
    }
    tests
}

/// The lines after `Prints:` to the end of the comment, without what they have in common on the left.
fn promised_output(text: &str) -> Option<String> {
    let comment = text.split_once("Prints:")?.1.split_once("*/")?.0;
    let lines: Vec<&str> =
        comment.lines().map(|line| line.trim_start().trim_start_matches('*')).collect();
    let is_text = |line: &&&str| !line.trim().is_empty();
    let margin = |line: &&str| line.len() - line.trim_start().len();
    let common = lines.iter().filter(is_text).map(margin).min()?;
    let text: Vec<&str> =
        lines.iter().map(|line| line.get(common..).unwrap_or("").trim_end()).collect();
    Some(text.join("\n").trim().into())
}

fn python() -> Vec<Test> {
    ["ctypes_host", "sha256tree", "mandelbrot", "isolate", "service"]
        .iter()
        .map(|name| (name, format!("ffi-tests/{name}.py")))
        .filter(|(_, script)| Path::new(script).exists())
        .map(|(name, script)| Test {
            name: name.to_string(),
            kind: "python".into(),
            command: vec!["python3".into(), script],
            prints: None,
            is_extra: false,
        })
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    found.sort();
    found
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into()
}

// ---- building -----------------------------------------------------------------------------------

fn compile(builds: Vec<Build>) -> bool {
    let builds = Mutex::new(builds.into_iter());
    let all_built = AtomicBool::new(true);
    let next = || builds.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..COMPILERS {
            scope.spawn(|| {
                while let Some(Build { name, mut command }) = next() {
                    let output = command
                        .output()
                        .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
                    if !output.status.success() {
                        all_built.store(false, Ordering::Relaxed);
                        let errors = String::from_utf8_lossy(&output.stderr);
                        println!("FAILED to build {name}\n{errors}");
                    }
                }
            });
        }
    });
    all_built.into_inner()
}

// ---- running ------------------------------------------------------------------------------------

/// Output goes to a file: a process that is left behind would keep a pipe open, and this one waiting.
fn run(test: &Test) -> Outcome {
    let folder =
        env::current_dir().unwrap().join(BUILT).join(format!("{}.{}.tmp", test.name, test.kind));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let (out, err) = (folder.join("stdout"), folder.join("stderr"));
    let mut child = Command::new(&test.command[0])
        .args(&test.command[1..])
        .env("TEST_TMP", &folder)
        .env("TMPDIR", &folder)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&err).unwrap())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", test.command[0]));
    let ended = watch(&mut child, &folder);
    let left = clear_away(&folder);
    let (out, err) = (text_of(&out), text_of(&err));
    let outcome = match ended {
        Err(facts) => Err(format!("hangs: no end after {} s\n{facts}", WATCHDOG.as_secs())),
        Ok(status) if status.code() == Some(SKIPPED) => Ok(Outcome::Skipped),
        Ok(status) if !status.success() => Err(status
            .signal()
            .map_or_else(|| status.to_string(), |signal| format!("died by signal {signal}"))),
        Ok(_) if !left.is_empty() => Err(format!("left processes behind:\n{left}")),
        Ok(_) => test
            .prints
            .as_ref()
            .map_or(Ok(()), |wanted| compare(wanted, &out))
            .map(|()| Outcome::Passed),
    };
    match outcome {
        Err(why) => Outcome::Failed(format!("{why}\n{out}{err}")),
        Ok(outcome) => {
            let _ = fs::remove_dir_all(&folder);
            outcome
        }
    }
}

/// Waits for the program, or kills its group when the time is over and tells where it stood.
fn watch(child: &mut Child, folder: &Path) -> Result<std::process::ExitStatus, String> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Ok(status);
        }
        if start.elapsed() > WATCHDOG {
            let facts: Vec<String> =
                processes_of(folder).iter().map(|pid| facts_about(*pid)).collect();
            kill(&format!("-{}", child.id()));
            child.wait().unwrap();
            return Err(facts.join("\n"));
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Gives the workers time to leave, then kills those that are left, and tells which they were.
fn clear_away(folder: &Path) -> String {
    let start = Instant::now();
    let mut left = processes_of(folder);
    while !left.is_empty() && start.elapsed() < GRACE {
        thread::sleep(Duration::from_millis(5));
        left = processes_of(folder);
    }
    let facts: Vec<String> = left.iter().map(|pid| facts_about(*pid)).collect();
    left.iter().for_each(|pid| kill(&pid.to_string()));
    facts.join("\n")
}

/// A program and all that it started have its folder in their environment, or one in it.
fn processes_of(folder: &Path) -> Vec<u32> {
    let has_mark = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut entries = environment.split(|byte| *byte == 0);
        let own = entries.find_map(|entry| entry.strip_prefix(b"TEST_TMP="));
        own.is_some_and(|own| Path::new(OsStr::from_bytes(own)).starts_with(folder))
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(has_mark).collect()
}

/// What each thread of a process is doing, as far as the kernel tells.
fn facts_about(pid: u32) -> String {
    let command = text_of(Path::new(&format!("/proc/{pid}/cmdline"))).replace('\0', " ");
    let mut facts = format!("  process {pid}: {command}\n");
    for entry in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let fact = |name: &str| text_of(&entry.path().join(name)).trim().to_string();
        let status = fact("status");
        let state =
            status.lines().find(|line| line.starts_with("State:")).unwrap_or("").to_string();
        let thread = entry.file_name();
        facts += &format!("    thread {} {}: {state}, ", thread.display(), fact("comm"));
        facts += &format!("in {}, system call {}\n", fact("wchan"), fact("syscall"));
        for line in fact("stack").lines() {
            facts += &format!("        {line}\n");
        }
    }
    facts
}

fn kill(target: &str) {
    let command = format!("kill -s KILL -- {target}");
    let _ = Command::new("sh").args(["-c", &command]).stderr(Stdio::null()).status();
}

fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into()
}

/// Line by line; `...` in a promised line stands for anything.
fn compare(wanted: &str, out: &str) -> Result<(), String> {
    let (wanted, out): (Vec<&str>, Vec<&str>) =
        (wanted.lines().collect(), out.trim().lines().collect());
    let fits = |pattern: &str, line: &str| match pattern.split_once("...") {
        Some((start, end)) => {
            line.starts_with(start) && line.ends_with(end.split("...").last().unwrap_or(""))
        }
        None => pattern == line.trim_end(),
    };
    if wanted.len() == out.len()
        && wanted.iter().zip(&out).all(|(pattern, line)| fits(pattern, line))
    {
        return Ok(());
    }
    Err(format!("should print\n{}\nbut prints", wanted.join("\n")))
}
