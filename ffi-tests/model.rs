//! The model-based test: random sequences of calls of the C API from several threads, over all kinds of
//! pools, with workers that die among the events. Each answer is compared with what may be answered at
//! that moment.
//!
//! A sequence is played by a C program of its own (`model/player.c`), linked with the library in out/
//! as any user's program: so a crash or a hang is found like a wrong answer, and a pool that forks the
//! caller finds no other threads. This program makes the sequences up, runs the player, and shrinks a
//! sequence that fails. Generator and shrinking are proptest's. Its runner is not used: what fails here
//! may depend on the order of threads, so each smaller sequence is played several times.
//!
//! MODEL_SECONDS is how long it runs, MODEL_SEED the first seed; the names of files on the command line
//! are sequences to be played again.

use proptest::collection::vec;
use proptest::sample::select;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, io, thread};

/// The calls, and how many of a hundred or so steps make each.
const ACTIONS: [(&str, usize); 44] = [
    ("submit", 14),
    ("submit_call", 10),
    ("submit_with_calls", 6),
    ("run", 1),
    ("result", 6),
    ("poll", 5),
    ("collect", 4),
    ("wait", 3),
    ("wait_for_ever", 1),
    ("error", 3),
    ("state", 3),
    ("is_done", 3),
    ("cancel", 5),
    ("requested", 1),
    ("id", 1),
    ("times", 3),
    ("free", 3),
    ("on_done", 3),
    ("wait_many", 3),
    ("collect_many", 3),
    ("set_add", 5),
    ("set_next", 6),
    ("promise", 2),
    ("resolve", 2),
    ("reject", 1),
    ("map", 1),
    ("lazy_map", 1),
    ("grow", 1),
    ("shrink", 1),
    ("restart", 1),
    ("spawn", 1),
    ("wait_ready", 1),
    ("kill", 2),
    ("idle_timeout", 1),
    ("stats", 2),
    ("look", 2),
    ("cancel_pending", 1),
    ("close", 1),
    ("join", 1),
    ("shutdown", 1),
    ("terminate", 1),
    ("request_stop", 1),
    ("open", 4),
    ("pause", 3),
];

/// These end the pool for all later steps, so few sequences have them.
const STOPS: [&str; 5] = ["close", "join", "shutdown", "terminate", "request_stop"];

const KINDS: [&str; 5] = ["thread", "spawn", "forkserver", "fork", "inline"];
const FOLDER: &str = "out/tests/model";
/// Far more than any sequence needs: what takes longer hangs.
const WATCHDOG: Duration = Duration::from_secs(40);
/// How often a smaller sequence is played before it counts as good.
const TRIES: u32 = 12;
/// How long a sequence is shrunk.
const SHRINKING: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
struct Step {
    thread: u32,
    action: &'static str,
    numbers: [u32; 3],
}

#[derive(Debug, Clone)]
struct Sequence {
    /// As `read_file` in `player.c` reads them; the first is the kind.
    options: [u32; 10],
    steps: Vec<Step>,
}

impl Sequence {
    fn text(&self) -> String {
        let words = self.options.map(|option| option.to_string());
        let mut text = format!("{}\n", words.join(" "));
        for Step { thread, action, numbers: [a, b, c] } in &self.steps {
            writeln!(text, "{thread} {action} {a} {b} {c}").unwrap();
        }
        text
    }
}

fn steps(has_stops: bool) -> impl Strategy<Value = Vec<Step>> {
    let weighted = ACTIONS.iter().filter(|(name, _)| has_stops || !STOPS.contains(name));
    let names: Vec<&'static str> =
        weighted.flat_map(|(name, weight)| std::iter::repeat_n(*name, *weight)).collect();
    let step = (0..4_u32, select(names), 0..12_u32, 0..64_u32, 0..128_u32);
    let step =
        step.prop_map(|(thread, action, a, b, c)| Step { thread, action, numbers: [a, b, c] });
    vec(step, 1..220)
}

fn sequences() -> impl Strategy<Value = Sequence> {
    let few = |number: u32| 0..number;
    let options = (
        (few(5), few(3), few(2), select(vec![0, 0, 0, 1, 2, 3]), select(vec![0, 0, 0, 1, 2, 3])),
        (select(vec![0, 0, 1, 1, 2]), few(2), select(vec![0, 0, 0, 1, 2]), few(2), few(3)),
    );
    let steps = few(3).prop_flat_map(|stops| steps(stops == 0));
    (options, steps).prop_map(|(((a, b, c, d, e), (f, g, h, i, j)), steps)| Sequence {
        options: [a, b, c, d, e, f, g, h, i, j],
        steps,
    })
}

// ---- playing a sequence -------------------------------------------------------------------------

/// Plays a sequence; returns how many calls it made, or what went wrong.
fn play(path: &Path) -> Result<u64, String> {
    let mut player = Command::new(format!("{FOLDER}/player"))
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = wait(&mut player);
    let _ = fs::remove_file(format!("{}.table", path.display()));
    let Some(status) = status else {
        let threads = where_threads_are(player.id());
        let _ = player.kill();
        let _ = player.wait();
        return Err(format!("it hangs\n{threads}"));
    };
    let output = player.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let calls = printed.lines().find_map(|line| line.strip_prefix("calls "));
    match calls.and_then(|calls| calls.parse().ok()) {
        Some(calls) if status.success() && errors.is_empty() => Ok(calls),
        _ => Err(format!("{status}\n{printed}{errors}")),
    }
}

/// None: it hangs.
fn wait(player: &mut Child) -> Option<ExitStatus> {
    let began = Instant::now();
    loop {
        if let Some(status) = player.try_wait().unwrap() {
            return Some(status);
        }
        if began.elapsed() > WATCHDOG {
            return None;
        }
        thread::sleep(Duration::from_millis(if began.elapsed().as_millis() < 200 {
            2
        } else {
            20
        }));
    }
}

/// What the threads of a process are called, and where in the kernel each waits.
fn where_threads_are(process: u32) -> String {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let describe = |path: PathBuf| {
        let read = |name| fs::read_to_string(path.join(name)).unwrap_or_default();
        format!("{} {} {}\n", read("comm").trim(), read("wchan").trim(), read("syscall").trim())
    };
    threads.map(|thread| describe(thread.path())).collect()
}

fn play_text(text: &str, name: &str) -> Result<u64, String> {
    let path = PathBuf::from(format!("{FOLDER}/{name}.txt"));
    fs::write(&path, text).unwrap();
    let played = play(&path);
    let _ = fs::remove_file(&path);
    played
}

/// What failed, without the place and the numbers.
fn class_of(why: &str) -> String {
    let wrong = why.lines().find_map(|line| line.strip_prefix("WRONG: "));
    let words = wrong.map_or(why, |line| line.split_once("): ").map_or(line, |(_, words)| words));
    words.lines().take(2).flat_map(str::chars).filter(|letter| !letter.is_numeric()).collect()
}

/// Makes a sequence that fails smaller while it still fails in the same way; returns the smallest, and
/// how it fails.
fn shrink(
    tree: &mut impl ValueTree<Value = Sequence>,
    why: String,
    name: &str,
) -> (Sequence, String) {
    let began = Instant::now();
    let class = class_of(&why);
    let (mut smallest, mut reason) = (tree.current(), why);
    let mut is_going_on = tree.simplify();
    while is_going_on && began.elapsed() < SHRINKING {
        let smaller = tree.current();
        let text = smaller.text();
        let failures = (0..TRIES).filter_map(|_| play_text(&text, name).err());
        let failure = { failures }.find(|why| class_of(why) == class);
        is_going_on = match failure {
            Some(why) => {
                (smallest, reason) = (smaller, why);
                tree.simplify()
            }
            None => tree.complicate(),
        };
    }
    (smallest, reason)
}

// ---- building and running -----------------------------------------------------------------------

fn build() -> io::Result<()> {
    fs::create_dir_all(FOLDER)?;
    let here = env::current_dir()?;
    let compiler = cc::Build::new()
        .cargo_metadata(false)
        .out_dir(FOLDER)
        .host("x86_64-unknown-linux-gnu")
        .target("x86_64-unknown-linux-gnu")
        .opt_level(1)
        .get_compiler();
    let common = ["-std=gnu11", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-Iout/include"];
    let run_path = format!("-Wl,-rpath,{0}/out/lib:{0}/{FOLDER}", here.display());
    let module = format!("{FOLDER}/libmodel_tasks.so");
    let player = format!("{FOLDER}/player");
    let own: [&[&str]; 2] = [
        &["-shared", "-fPIC", "ffi-tests/model/module.c", "-o", &module],
        &["ffi-tests/model/player.c", "-o", &player, "-Lout/tests/model", "-lmodel_tasks"],
    ];
    for args in own {
        let mut command = compiler.to_command();
        command.args(common).args(args).args(["-Lout/lib", "-lcarpool", &run_path]);
        if !command.status()?.success() {
            return Err(io::Error::other(format!("{command:?}")));
        }
    }
    Ok(())
}

struct Run {
    first_seed: u64,
    next: AtomicU64,
    end: Instant,
    has_failed: AtomicBool,
    calls: AtomicU64,
    by_kind: Mutex<[u64; KINDS.len()]>,
}

impl Run {
    fn work(&self) {
        while Instant::now() < self.end && !self.has_failed.load(Relaxed) {
            self.try_seed(self.first_seed.wrapping_add(self.next.fetch_add(1, Relaxed)));
        }
    }

    fn try_seed(&self, seed: u64) {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), random);
        let mut tree = sequences().new_tree(&mut runner).unwrap();
        let sequence = tree.current();
        let name = format!("seed_{seed}");
        match play_text(&sequence.text(), &name) {
            Ok(calls) => {
                self.calls.fetch_add(calls, Relaxed);
                self.by_kind.lock().unwrap()[sequence.options[0] as usize] += calls;
            }
            Err(why) => {
                self.has_failed.store(true, Relaxed);
                println!(
                    "seed {seed}, a pool of kind {}: {why}",
                    KINDS[sequence.options[0] as usize]
                );
                let (smallest, why) = shrink(&mut tree, why, &name);
                let path = format!("{FOLDER}/failed_{seed}.txt");
                fs::write(&path, smallest.text()).unwrap();
                println!("the smallest found, in {path}: {why}\n{}", smallest.text());
            }
        }
    }
}

fn number_of(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap())
}

fn play_again(files: &[String]) -> ExitCode {
    let failures = files.iter().filter(|file| {
        let played = play(Path::new(file));
        println!("{file}: {played:?}");
        played.is_err()
    });
    if failures.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> ExitCode {
    if !Path::new("out/lib/libcarpool.so").exists() {
        eprintln!("out/lib/libcarpool.so is missing: run make first");
        return ExitCode::FAILURE;
    }
    build().unwrap();
    let files: Vec<String> = env::args().skip(1).filter(|word| word.ends_with(".txt")).collect();
    if !files.is_empty() {
        return play_again(&files);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let run = Run {
        first_seed: number_of("MODEL_SEED").unwrap_or(now.as_millis() as u64),
        next: AtomicU64::new(0),
        end: Instant::now() + Duration::from_secs(number_of("MODEL_SECONDS").unwrap_or(20)),
        has_failed: AtomicBool::new(false),
        calls: AtomicU64::new(0),
        by_kind: Mutex::default(),
    };
    println!("\nthe first seed is {}", run.first_seed);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| run.work());
        }
    });
    let by_kind = run.by_kind.lock().unwrap();
    let by_kind: Vec<String> =
        KINDS.iter().zip(*by_kind).map(|(kind, calls)| format!("{kind} {calls}")).collect();
    let is_good = !run.has_failed.load(Relaxed);
    println!(
        "model result: {}. {} calls in {} sequences ({})\n",
        if is_good { "ok" } else { "FAILED" },
        run.calls.load(Relaxed),
        run.next.load(Relaxed),
        by_kind.join(", "),
    );
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
