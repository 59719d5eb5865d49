//! Lines in files beside a SQLite file, on their way into it. A line that is in such a file outlives the process as one in the database does, and
//! costs neither the one writer's turn, nor pages, nor what readers keep of them.
//!
//! A file is written, then brought in as a whole, then removed; its number is noted with what it brought, so that what a crash leaves is brought
//! in once.
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use futures::future::BoxFuture;
use tokio::sync::Notify;

use super::Store;
use crate::fault::{Answer, Fault};

// What is read and added at once.
const FULL: usize = 1 << 20;

/// The files of one service.
pub(super) struct Journal {
    folder: PathBuf,
    prefix: String,
    state: Mutex<State>,
    /// Told of each line.
    pub(super) written: Notify,
    /// How a file is brought in, once that is known; held meanwhile.
    pub(super) brings_in: tokio::sync::Mutex<Option<BringsIn>>,
}

pub(super) type BringsIn = fn(Store, u64) -> BoxFuture<'static, Answer<()>>;

#[derive(Default)]
struct State {
    open: Option<Open>,
    // Written and not brought in, the oldest first.
    whole: Vec<u64>,
    last: u64,
}

impl State {
    // What comes next goes into the next file.
    fn turn(&mut self) {
        if let Some(open) = self.open.take() {
            self.whole.push(open.number);
        }
    }
}

struct Open {
    file: File,
    number: u64,
    bytes: usize,
}

fn prefix(service: &str) -> String {
    format!("{service}.journal-")
}

/// The files of a service that lie in a folder, the oldest first. Those that the database notes as brought in may still be among them.
pub fn journals(folder: &Path, service: &str) -> io::Result<Vec<PathBuf>> {
    let prefix = prefix(service);
    Ok(numbers(folder, &prefix)?.into_iter().map(|number| path(folder, &prefix, number)).collect())
}

fn numbers(folder: &Path, prefix: &str) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(prefix));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn path(folder: &Path, prefix: &str, number: u64) -> PathBuf {
    folder.join(format!("{prefix}{number}"))
}

impl Journal {
    /// With what lies in a folder.
    pub(super) fn open(folder: &Path, service: &str) -> io::Result<Self> {
        let prefix = prefix(service);
        let whole = numbers(folder, &prefix)?;
        let last = whole.last().copied().unwrap_or_default();
        Ok(Self {
            folder: folder.to_owned(),
            prefix,
            state: Mutex::new(State { open: None, whole, last }),
            written: Notify::new(),
            brings_in: tokio::sync::Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins after what the database notes, though its file may be gone.
    pub(super) fn after(&self, noted: u64) {
        let mut state = self.state();
        state.last = state.last.max(noted);
    }

    /// Writes a line, without its end, before it returns: a copy into the system's memory, for which no other thread need be asked.
    pub(super) fn append(&self, mut line: Vec<u8>) -> Answer<()> {
        line.push(b'\n');
        let written = self.append_to(&mut self.state(), &line);
        self.written.notify_one();
        written.with_context(|| format!("writing into {}", self.folder.display())).map_err(Fault::internal)
    }

    fn append_to(&self, state: &mut State, line: &[u8]) -> io::Result<()> {
        let open = match &mut state.open {
            Some(open) => open,
            none => {
                let number = state.last + 1;
                let file = File::options().append(true).create_new(true).open(self.path(number))?;
                state.last = number;
                none.insert(Open { file, number, bytes: 0 })
            }
        };
        let written = open.file.write_all(line);
        open.bytes += line.len();
        // What is there by halves has no end, and ends its file: it is no line.
        if written.is_err() || open.bytes >= FULL {
            state.turn();
        }
        written
    }

    /// Ends the file that is written; those that are to be brought in, the oldest first.
    pub(super) fn whole(&self) -> Vec<u64> {
        let mut state = self.state();
        state.turn();
        state.whole.clone()
    }

    /// The lines of a file that were written in full.
    pub(super) fn lines(&self, number: u64) -> io::Result<Vec<Vec<u8>>> {
        let bytes = fs::read(self.path(number))?;
        let mut lines: Vec<_> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        // After the last end, or without one.
        lines.pop();
        Ok(lines)
    }

    /// Removes a file that was brought in.
    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        match fs::remove_file(self.path(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.state().whole.retain(|&whole| whole != number);
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        path(&self.folder, &self.prefix, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(journal: &Journal, number: u64) -> Vec<String> {
        let lines = journal.lines(number).unwrap();
        lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn lines_come_file_by_file_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), "things").unwrap();
        assert!(journal.whole().is_empty());
        for line in ["a", "", "b"] {
            journal.append(line.into()).unwrap();
        }
        assert_eq!(journal.whole(), [1]);
        journal.append("c".into()).unwrap();
        assert_eq!(journal.whole(), [1, 2]);
        assert_eq!([texts(&journal, 1), texts(&journal, 2)], [vec!["a", "", "b"], vec!["c"]]);
        journal.remove(1).unwrap();
        assert_eq!(journal.whole(), [2]);
        // A long one ends its file.
        for _ in 0..3 {
            journal.append(vec![b'x'; FULL / 2]).unwrap();
        }
        assert_eq!(journal.whole(), [2, 3, 4]);
        assert_eq!([journal.lines(3).unwrap().len(), journal.lines(4).unwrap().len()], [2, 1]);
    }

    #[test]
    fn what_lies_there_is_taken_up_and_numbers_go_on() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "things.journal-9",
            "things.journal-10",
            "things.journal-x",
            "others.journal-11",
            "things.sqlite",
        ] {
            fs::write(folder.path().join(name), "whole\ntorn").unwrap();
        }
        let journal = Journal::open(folder.path(), "things").unwrap();
        assert_eq!(journal.whole(), [9, 10]);
        assert_eq!(texts(&journal, 9), ["whole"]);
        journal.append("next".into()).unwrap();
        assert_eq!(journal.whole(), [9, 10, 11]);
        journal.after(20);
        journal.append("later".into()).unwrap();
        assert_eq!(journal.whole(), [9, 10, 11, 21]);
        let names = journals(folder.path(), "things")
            .unwrap()
            .into_iter()
            .map(|path| path.file_name().unwrap().to_owned());
        assert_eq!(
            names.collect::<Vec<_>>(),
            ["things.journal-9", "things.journal-10", "things.journal-11", "things.journal-21"]
        );
        // Gone already.
        fs::remove_file(folder.path().join("things.journal-9")).unwrap();
        journal.remove(9).unwrap();
        assert_eq!(journal.whole(), [10, 11, 21]);
    }

    #[test]
    fn a_line_that_can_not_be_written_is_told_and_the_next_goes_into_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), "things").unwrap();
        journal.append("a".into()).unwrap();
        // A file that is there takes no line, as on a disk that is full.
        let full = File::options().append(true).open("/dev/full").unwrap();
        journal.state().open.as_mut().unwrap().file = full;
        assert!(journal.append("lost".into()).is_err());
        journal.append("b".into()).unwrap();
        assert_eq!(journal.whole(), [1, 2]);
        assert_eq!([texts(&journal, 1), texts(&journal, 2)], [["a"], ["b"]]);
    }
}
