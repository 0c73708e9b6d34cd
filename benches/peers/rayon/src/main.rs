//! Measures Rayon's thread pool, with 2 threads, as small_tasks.c, round_trip.c and map.c measure carpool.
//!
//!     rayon small_tasks WINDOW TASKS
//!     rayon round_trip TRIPS PAUSES
//!     rayon map ITEMS              a call through a pointer for each item, as in C
//!     rayon map_inlined ITEMS      the function is inlined into the loop
//!
//! spawn returns no future, so each task fills a slot; slots are allocated once and reused. map is par_iter.
//! Prints one line of JSON with the same keys as the C programs. A wrong result ends the program.

mod slot;

use cpu_time::ProcessTime;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use slot::{NAP, Slot, answer};
use std::hint::black_box;
use std::time::{Duration, Instant};

const WORKERS: usize = 2;
const BUDGET: Duration = Duration::from_millis(300);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let workload = arguments.next().expect("the name of a workload");
    let numbers: Vec<usize> = arguments.map(|text| text.parse().expect("a number")).collect();
    let pool = ThreadPoolBuilder::new().num_threads(WORKERS).build().expect("a pool");
    match (workload.as_str(), &numbers[..]) {
        ("small_tasks", &[window, tasks]) => small_tasks(&pool, window, tasks),
        ("round_trip", &[trips, pauses]) => round_trip(&pool, trips, pauses),
        ("map", &[items]) => map(&pool, items, black_box(twice_plus_one as fn(&u64) -> u64)),
        ("map_inlined", &[items]) => map(&pool, items, twice_plus_one),
        _ => panic!("no such workload: {workload} {numbers:?}"),
    }
}

/// Wall and CPU time.
#[derive(Clone, Copy)]
struct Took {
    wall_ns: f64,
    cpu_ns: f64,
}

fn took(work: impl FnOnce()) -> Took {
    let (cpu, wall) = (ProcessTime::now(), Instant::now());
    work();
    let wall_ns = nanos(wall.elapsed());
    Took { wall_ns, cpu_ns: nanos(cpu.elapsed()) }
}

fn nanos(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * percent / 100]
}

fn submit(pool: &ThreadPool, slot: &'static Slot, x: u64) {
    slot.begin(x);
    pool.spawn(|| slot.run());
}

/// Waits until both threads run. A nap keeps one thread from running all tasks.
fn start_workers(pool: &ThreadPool) {
    let slots = Slot::new_leaked(WORKERS);
    for _ in 0..10 {
        slots.iter().for_each(|slot| submit(pool, slot, NAP));
        slots.iter().for_each(|slot| assert_eq!(slot.wait(), answer(NAP)));
    }
}

fn small_tasks(pool: &ThreadPool, window: usize, tasks: usize) {
    let window = if window == 0 { tasks } else { window };
    assert!(window <= tasks && tasks > 0);
    let slots = Slot::new_leaked(window);
    let pass = || {
        for (slot, x) in slots.iter().zip(0..) {
            submit(pool, slot, x);
        }
        for i in 0..tasks {
            let slot = &slots[i % window];
            assert_eq!(slot.wait(), i as u64 * 2 + 1);
            if i + window < tasks {
                submit(pool, slot, (i + window) as u64);
            }
        }
    };
    start_workers(pool);
    print_passes("tasks", tasks, 5, || took(pass));
}

fn twice_plus_one(x: &u64) -> u64 {
    x * 2 + 1
}

fn map(pool: &ThreadPool, n: usize, function: impl Fn(&u64) -> u64 + Sync + Send + Copy) {
    let items: Vec<u64> = (0..n as u64).collect();
    let mut results = vec![1; n];
    start_workers(pool);
    print_passes("items", n, 9, || {
        let took =
            took(|| pool.install(|| items.par_iter().map(function).collect_into_vec(&mut results)));
        assert!(items.iter().zip(&results).all(|(item, result)| *result == item * 2 + 1));
        took
    });
}

/// The first pass is reported separately, then the median of the later ones.
fn print_passes(what: &str, n: usize, passes_max: usize, mut pass: impl FnMut() -> Took) {
    let cold = pass();
    let (mut warm_ns, mut cpu_ns, began) = (vec![], 0.0, Instant::now());
    while warm_ns.is_empty() || (warm_ns.len() < passes_max && began.elapsed() < BUDGET) {
        let warm = pass();
        warm_ns.push(warm.wall_ns);
        cpu_ns += warm.cpu_ns;
    }
    let passes = warm_ns.len();
    let (cold_ns, warm_ns) = (cold.wall_ns / n as f64, percentile(&mut warm_ns, 50) / n as f64);
    let cpu_ns = cpu_ns / (n * passes) as f64;
    println!(
        r#"{{"{what}": {n}, "warm_passes": {passes}, "cold_ns": {cold_ns:.3}, "warm_ns": {warm_ns:.3}, "cpu_ns": {cpu_ns:.3}}}"#
    );
}

/// As in trips.h.
fn round_trip(pool: &ThreadPool, trips: usize, pauses: usize) {
    const BATCH: usize = 1000;
    let slot = &Slot::new_leaked(1)[0];
    let trip = |x| {
        submit(pool, slot, x);
        assert_eq!(slot.wait(), x * 2 + 1);
    };
    start_workers(pool);
    (0..BATCH as u64).for_each(trip);

    let (mut done, began) = (0, Instant::now());
    let hot = took(|| {
        while done == 0 || (done < trips && began.elapsed() < BUDGET) {
            (0..BATCH as u64).for_each(trip);
            done += BATCH;
        }
    });
    let mut each_ns: Vec<f64> = (0..done as u64).map(|x| took_ns(|| trip(x))).collect();
    let mut paused_ns: Vec<f64> = (0..pauses as u64)
        .map(|x| {
            std::thread::sleep(Duration::from_millis(2));
            took_ns(|| trip(x))
        })
        .collect();
    println!(
        r#"{{"trips": {done}, "hot_ns": {:.1}, "cpu_ns": {:.1}, "p50_ns": {}, "p99_ns": {}, "paused_p50_ns": {}}}"#,
        hot.wall_ns / done as f64,
        hot.cpu_ns / done as f64,
        percentile(&mut each_ns, 50),
        percentile(&mut each_ns, 99),
        percentile(&mut paused_ns, 50),
    );
}

fn took_ns(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    nanos(began.elapsed())
}
