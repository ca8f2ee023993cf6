//! Measuring many services at once. Nobody waits for a probe that hangs: it is left behind, and what it was to
//! measure is undecided.
//!
//! A thread cannot be stopped from outside. One that overruns its limit is therefore given up: a new one takes its
//! place, and whatever it may still find is thrown away.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::measuring::{Found, Job, Step, Taken};
use crate::base::process;
use crate::probe::VersionMap;

/// How much longer than its limit a step is waited for, so that a program that is killed for overrunning can still be
/// reported by the probe that started it.
const GRACE: Duration = Duration::from_millis(300);

/// What a pool may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many things are measured at the same time.
    pub jobs: usize,
    /// When measuring ends, whatever is not measured by then.
    pub deadline: Option<Instant>,
}

/// A service on its way through the pool.
struct Task {
    number: usize,
    steps: VecDeque<Step>,
}

/// What a worker does at the moment.
struct Running {
    number: usize,
    step: Step,
    rest: VecDeque<Step>,
    until: Instant,
}

/// What is known so far of a service, and how many of its steps are open.
struct Partial {
    taken: Taken,
    open: usize,
    /// All steps but the last are done.
    ending: bool,
}

struct State {
    queue: VecDeque<Task>,
    running: BTreeMap<u64, Running>,
    partial: BTreeMap<usize, Partial>,
    /// How many services have not been handed on.
    left: usize,
    workers: u64,
    /// Why nothing more is measured, once that is so.
    given_up: Option<String>,
    closed: bool,
}

struct Pool<J> {
    job: J,
    limits: Limits,
    state: Mutex<State>,
    /// Something is in the queue, or nothing ever will be.
    work: Condvar,
    /// The last service was handed on.
    change: Condvar,
    /// Where services go that are measured; nobody's once all are, since whoever hangs keeps the pool.
    done: Mutex<Option<Sender<Taken>>>,
}

/// Measures `count` services. What is returned yields each of them once, in the order in which they are ready.
pub fn start<J: Job>(job: J, count: usize, limits: Limits) -> Receiver<Taken> {
    let (sender, receiver) = channel();
    let queue = (0..count).map(|number| Task { number, steps: VecDeque::from([Step::Versions]) }).collect();
    let state = State {
        queue,
        running: BTreeMap::new(),
        partial: BTreeMap::new(),
        left: count,
        workers: 0,
        given_up: None,
        closed: count == 0,
    };
    let pool = Arc::new(Pool {
        job,
        limits,
        state: Mutex::new(state),
        work: Condvar::new(),
        change: Condvar::new(),
        done: Mutex::new(Some(sender)),
    });
    // One service may have many probes that wait.
    for _ in 0..limits.jobs.clamp(1, count.saturating_mul(16).max(1)) {
        Pool::hire(&pool);
    }
    let watched = Arc::clone(&pool);
    if std::thread::Builder::new().name("watch".to_owned()).spawn(move || Pool::watch(&watched)).is_err() {
        // Without anybody who watches, nothing may hang: nothing is measured.
        pool.give_up("this machine starts no more threads");
    }
    receiver
}

impl<J: Job> Pool<J> {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one more worker. Says whether that was possible.
    fn hire(pool: &Arc<Self>) -> bool {
        let id = {
            let mut state = pool.state();
            state.workers += 1;
            state.workers
        };
        let own = Arc::clone(pool);
        let hired = std::thread::Builder::new().name(format!("measure {id}")).spawn(move || own.work(id));
        hired.is_ok()
    }

    /// Takes one service after the other, until there is none or this worker was given up.
    fn work(&self, id: u64) {
        let mut state = self.state();
        // What is left when everything is given up is for whoever gives it up.
        while !state.closed && state.given_up.is_none() {
            let Some(mut task) = state.queue.pop_front() else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            // What is out of the queue is among what runs, without a gap in which nobody would miss it.
            while let Some((number, step, until)) = self.begin(&mut state, id, task) {
                let versions = state.partial.get(&number).map(|partial| Arc::clone(&partial.taken.versions));
                drop(state);
                let found = self.measure(number, &step, versions.unwrap_or_default(), until);
                state = self.state();
                let Some(running) = state.running.remove(&id) else { return };
                let steps = self.take(&mut state, number, &step, found).unwrap_or(running.rest);
                task = Task { number, steps };
                if state.given_up.is_some() {
                    state.queue.push_front(task);
                    break;
                }
            }
        }
    }

    /// Notes the next step of a task as running; nothing where it has none left.
    fn begin(&self, state: &mut State, id: u64, task: Task) -> Option<(usize, Step, Instant)> {
        let Task { number, mut steps } = task;
        let step = steps.pop_front()?;
        let until = Instant::now() + self.job.limit(number, &step);
        let until = self.limits.deadline.map_or(until, |deadline| deadline.min(until));
        let running = Running { number, step: step.clone(), rest: steps, until: until + GRACE };
        state.running.insert(id, running);
        Some((number, step, until))
    }

    fn measure(&self, number: usize, step: &Step, versions: Arc<VersionMap>, until: Instant) -> Found {
        // A worker that is free again when the round's time is over begins nothing more.
        if self.limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return self.late(number, step);
        }
        let work = AssertUnwindSafe(|| self.job.measure(number, step, versions));
        let found = process::until(until, || catch_unwind(work));
        if Instant::now() >= until && self.job.is_cut(number, step) {
            return self.late(number, step);
        }
        found.unwrap_or_else(|_| self.job.undecided(number, step, "irctl failed on it, which is a bug"))
    }

    /// What a step leaves whose time was over: the limit's, or the round's.
    fn late(&self, number: usize, step: &Step) -> Found {
        let past = self.limits.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let why = match past {
            true => "the round's deadline had passed".to_owned(),
            false => format!("it took longer than {}", shown(self.job.limit(number, step))),
        };
        self.job.undecided(number, step, &why)
    }

    /// Takes in what a step found. After the versions, the steps of the service that the caller is to do.
    fn take(&self, state: &mut State, number: usize, step: &Step, found: Found) -> Option<VecDeque<Step>> {
        let mut more = None;
        if let Step::Versions = step {
            let (own, others) = self.job.steps(number);
            let open = own.len() + others.len();
            state
                .partial
                .insert(number, Partial { taken: Taken::new(number), open: open + 1, ending: false });
            for step in others.into_iter().rev() {
                state.queue.push_front(Task { number, steps: VecDeque::from([step]) });
            }
            self.work.notify_all();
            more = Some(own);
        }
        let Some(partial) = state.partial.get_mut(&number) else { return more };
        partial.taken.add(found);
        partial.open -= 1;
        if partial.open > 0 {
            return more;
        }
        if !partial.ending {
            partial.ending = true;
            partial.taken.sort();
            match (self.job.last(number, &partial.taken), &state.given_up) {
                (Some(last), Some(why)) => partial.taken.add(self.job.undecided(number, &last, why)),
                (Some(last), None) => {
                    partial.open = 1;
                    state.queue.push_front(Task { number, steps: VecDeque::from([last]) });
                    self.work.notify_one();
                    return more;
                }
                (None, _) => {}
            }
        }
        if let Some(partial) = state.partial.remove(&number) {
            self.hand_on(state, partial.taken);
        }
        more
    }

    fn hand_on(&self, state: &mut State, taken: Taken) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = &*done {
            // Nobody listens any more where the round has ended with an error.
            let _ = done.send(taken.sorted());
        }
        state.left -= 1;
        if state.left == 0 {
            *done = None;
            state.closed = true;
            self.work.notify_all();
            self.change.notify_all();
        }
    }

    /// Gives up whoever overruns, until everything is measured or the time is over.
    fn watch(pool: &Arc<Self>) {
        let mut state = pool.state();
        while !state.closed {
            let now = Instant::now();
            if pool.limits.deadline.is_some_and(|deadline| now >= deadline + GRACE) {
                drop(state);
                return pool.give_up("the round's deadline had passed");
            }
            let late: Vec<u64> =
                state.running.iter().filter(|(_, one)| one.until <= now).map(|(id, _)| *id).collect();
            for id in late {
                let Some(running) = state.running.remove(&id) else { continue };
                drop(state);
                pool.overrun(running);
                if !Self::hire(pool) {
                    return pool.give_up("this machine starts no more threads");
                }
                state = pool.state();
            }
            let next = state.running.values().map(|one| one.until).min();
            let next = next.into_iter().chain(pool.limits.deadline.map(|deadline| deadline + GRACE)).min();
            let wait =
                next.map_or(Duration::from_secs(1), |next| next.saturating_duration_since(Instant::now()));
            // What begins meanwhile may have a shorter limit than whatever runs.
            let wait = wait.min(Duration::from_millis(50));
            state = pool.change.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What a step was to measure is undecided; the rest of its service goes on.
    fn overrun(&self, running: Running) {
        let Running { number, step, rest, .. } = running;
        let found = self.late(number, &step);
        let mut state = self.state();
        let more = self.take(&mut state, number, &step, found).unwrap_or(rest);
        if !more.is_empty() {
            state.queue.push_front(Task { number, steps: more });
            self.work.notify_one();
        }
    }

    /// Ends measuring: everything that is not measured is undecided.
    fn give_up(&self, why: &str) {
        self.state().given_up = Some(why.to_owned());
        loop {
            let mut state = self.state();
            let running = state.running.pop_first().map(|(_, running)| {
                let steps = std::iter::once(running.step).chain(running.rest).collect();
                Task { number: running.number, steps }
            });
            let Some(Task { number, mut steps }) = running.or_else(|| state.queue.pop_front()) else {
                state.closed = true;
                self.work.notify_all();
                return;
            };
            while let Some(step) = steps.pop_front() {
                let found = self.job.undecided(number, &step, why);
                if let Some(more) = self.take(&mut state, number, &step, found) {
                    steps = more;
                }
            }
        }
    }
}

/// A limit for people: `30s`, `250ms`.
fn shown(limit: Duration) -> crate::base::Duration {
    crate::base::Duration::Fixed(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
