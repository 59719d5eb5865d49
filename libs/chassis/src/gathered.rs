//! Questions gathered: those that come while others are answered wait and are answered together, at a fraction of what each would cost alone. Who
//! comes alone is answered alone, at once.
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;
use tracing::{Instrument as _, Span};

use crate::fault::{Answer, Fault};

/// Questions on their way to answers.
pub struct Gathered<Q, A>(Arc<Inner<Q, A>>);

struct Inner<Q, A> {
    // So many gatherings are answered side by side, of so many questions each.
    side_by_side: usize,
    most: usize,
    state: Mutex<State<Q, A>>,
}

struct State<Q, A> {
    waiting: VecDeque<Waiting<Q, A>>,
    answering: usize,
}

struct Waiting<Q, A> {
    question: Q,
    asked_in: Span,
    told: oneshot::Sender<Answer<A>>,
}

impl<Q: Send + 'static, A: Send + 'static> Gathered<Q, A> {
    /// Answers at most so many gatherings side by side, of at most so many questions each.
    pub fn new(side_by_side: usize, most: usize) -> Self {
        let state = Mutex::new(State { waiting: VecDeque::new(), answering: 0 });
        Self(Arc::new(Inner { side_by_side, most, state }))
    }

    /// Puts a question. `answer` gives the answers to several, in their order; it runs apart from this call, which may be broken off while others
    /// wait for what it gathered.
    pub async fn ask<F>(&self, question: Q, answer: impl Fn(Vec<Q>) -> F + Send + 'static) -> Answer<A>
    where
        F: Future<Output = Answer<Vec<A>>> + Send,
    {
        let (told, hears) = oneshot::channel();
        let begins = {
            let mut state = self.0.state();
            state.waiting.push_back(Waiting { question, asked_in: Span::current(), told });
            let begins = state.answering < self.0.side_by_side;
            state.answering += usize::from(begins);
            begins
        };
        if begins {
            let answering = Answering { inner: self.0.clone(), ended: false };
            tokio::spawn(async move { answering.until_nobody_waits(answer).await });
        }
        hears.await.unwrap_or_else(|_| Err(unanswered()))
    }
}

fn unanswered() -> Fault {
    Fault::internal(anyhow::anyhow!("who gathered questions ended before they were answered"))
}

impl<Q, A> Inner<Q, A> {
    fn state(&self) -> MutexGuard<'_, State<Q, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// One that answers. Ended before its time, it tells so to those that nobody else would answer.
struct Answering<Q, A> {
    inner: Arc<Inner<Q, A>>,
    ended: bool,
}

impl<Q, A> Answering<Q, A> {
    async fn until_nobody_waits<F>(mut self, answer: impl Fn(Vec<Q>) -> F)
    where
        F: Future<Output = Answer<Vec<A>>>,
    {
        while let Some(gathered) = self.gather() {
            // What all of them share is in one trace: in that of who came first.
            let span = gathered.first().map_or_else(Span::none, |first| first.asked_in.clone());
            let (questions, waiting): (Vec<Q>, Vec<_>) =
                gathered.into_iter().map(|one| (one.question, one.told)).unzip();
            match answer(questions).instrument(span).await {
                Ok(answers) => {
                    // Who was cut off meanwhile wants no answer.
                    for (answer, told) in answers.into_iter().zip(waiting) {
                        let _ = told.send(Ok(answer));
                    }
                }
                Err(fault) => {
                    for told in waiting {
                        let _ = told.send(Err(fault.again()));
                    }
                }
            }
        }
    }

    fn gather(&mut self) -> Option<Vec<Waiting<Q, A>>> {
        let mut state = self.inner.state();
        if state.waiting.is_empty() {
            // In one with having seen it: who comes next begins anew.
            state.answering -= 1;
            self.ended = true;
            return None;
        }
        let many = state.waiting.len().min(self.inner.most);
        Some(state.waiting.drain(..many).collect())
    }
}

impl<Q, A> Drop for Answering<Q, A> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut state = self.inner.state();
        state.answering -= 1;
        if state.answering == 0 {
            state.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;

    // Who ask until nobody waits any more; how many there were in each gathering.
    async fn gathered(side_by_side: usize, most: usize, many: usize) -> Vec<usize> {
        let (doubled, sizes) =
            (Arc::new(Gathered::new(side_by_side, most)), Arc::new(Mutex::new(Vec::new())));
        let busy = Arc::new(AtomicUsize::new(0));
        let asking = (0..many).map(|number| {
            let (doubled, sizes, busy) = (doubled.clone(), sizes.clone(), busy.clone());
            tokio::spawn(async move {
                let double = move |numbers: Vec<usize>| {
                    let (sizes, busy) = (sizes.clone(), busy.clone());
                    async move {
                        assert!(busy.fetch_add(1, Ordering::SeqCst) < side_by_side);
                        sizes.lock().unwrap().push(numbers.len());
                        tokio::time::sleep(Duration::from_millis(2)).await;
                        busy.fetch_sub(1, Ordering::SeqCst);
                        Ok(numbers.into_iter().map(|number| number * 2).collect())
                    }
                };
                assert_eq!(doubled.ask(number, double).await.unwrap(), number * 2);
            })
        });
        for one in asking.collect::<Vec<_>>() {
            tokio::time::timeout(Duration::from_secs(20), one)
                .await
                .expect("somebody waits for ever")
                .unwrap();
        }
        let sizes = sizes.lock().unwrap().clone();
        assert_eq!(sizes.iter().sum::<usize>(), many, "each is answered once");
        sizes
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn who_waits_is_answered_with_the_others() {
        assert_eq!(gathered(1, 8, 1).await, [1]);
        for round in 0..40 {
            let sizes = gathered(1 + round % 3, 8, 50).await;
            assert!(sizes.iter().all(|&size| size <= 8), "{sizes:?}");
            assert!(sizes.len() < 30, "{sizes:?}");
        }
    }

    #[tokio::test]
    async fn a_fault_is_everybodys_and_the_next_are_answered() {
        let asked = Gathered::new(1, 8);
        let fails = |_: Vec<u8>| async {
            tokio::task::yield_now().await;
            Err::<Vec<u8>, _>(Fault::unavailable("UPSTREAM_UNAVAILABLE", "away", "不在"))
        };
        let (one, other) = tokio::join!(asked.ask(1, fails), asked.ask(2, fails));
        assert_eq!([one.unwrap_err().reason(), other.unwrap_err().reason()], ["UPSTREAM_UNAVAILABLE"; 2]);
        assert_eq!(asked.ask(3, |numbers| async { Ok(numbers) }).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn who_is_cut_off_holds_up_nobody() {
        let asked = Arc::new(Gathered::new(1, 8));
        let slowly = |numbers: Vec<u8>| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(numbers)
        };
        let cut_off = tokio::time::timeout(Duration::from_millis(1), asked.ask(1, slowly)).await;
        assert!(cut_off.is_err());
        let answered = tokio::time::timeout(Duration::from_secs(10), asked.ask(2, slowly)).await;
        assert_eq!(answered.expect("nobody answers any more").unwrap(), 2);
    }

    #[tokio::test]
    async fn a_panic_is_told_and_the_next_are_answered() {
        let asked = Gathered::<u8, u8>::new(1, 8);
        let breaks = |_| async { panic!("as a fault of ours would") };
        assert_eq!(asked.ask(1, breaks).await.unwrap_err().reason(), "INTERNAL_FAULT");
        assert_eq!(asked.ask(2, |numbers| async { Ok(numbers) }).await.unwrap(), 2);
    }
}
