//! Threads with a runtime each, on which members run.
//!
//! A thousand members on one thread wait for each other: a change is an event for each of them, and all compute on it.
//! A member's connection and all of its tasks stay on one thread, as in a process of its own.

use std::io;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Where members run.
#[derive(Debug)]
pub struct Hosts {
    handles: Vec<Handle>,
    threads: Vec<HostThread>,
}

#[derive(Debug)]
struct HostThread {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

// === impl Hosts ===

impl Hosts {
    /// The runtime of the caller, without more threads.
    pub fn here() -> Self {
        Self { handles: vec![Handle::current()], threads: Vec::new() }
    }

    /// A thread for each CPU.
    pub fn start() -> io::Result<Self> {
        let mut hosts = Self { handles: Vec::new(), threads: Vec::new() };
        for number in 0..thread::available_parallelism().map_or(1, usize::from) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            hosts.handles.push(runtime.handle().clone());
            let (end, ended) = oneshot::channel::<()>();
            // All tasks of the runtime end with it, whether the end was told or its sender was dropped.
            let run = move || drop(runtime.block_on(ended));
            let thread = thread::Builder::new().name(format!("members-{number}")).spawn(run)?;
            hosts.threads.push(HostThread { end: Some(end), thread: Some(thread) });
        }
        Ok(hosts)
    }

    /// The runtime of the member with this number.
    pub fn of(&self, number: usize) -> Option<&Handle> {
        self.handles.get(number % self.handles.len().max(1))
    }
}

impl Drop for HostThread {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // It has ended, or panicked, which it has printed.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_spread_over_threads_that_end_with_their_hosts() {
        let hosts = Hosts::start().unwrap();
        let count = hosts.threads.len();
        let name = |number: usize| {
            let (sender, receiver) = std::sync::mpsc::channel();
            hosts.of(number).unwrap().spawn(async move {
                sender.send(thread::current().name().map(str::to_owned)).unwrap();
            });
            receiver.recv().unwrap().unwrap()
        };
        assert_eq!(name(0), "members-0");
        assert_eq!(name(count - 1), format!("members-{}", count - 1));
        assert_eq!(name(count), "members-0");
        drop(hosts);
    }
}
