//! What falls due with a day, and who waits for it: versions that take over, overrides and shadows that end. Each reader of a new day waits once.
use std::{sync::Arc, time::Duration};

use chassis::{Answer, Context, Fault, clock::Clock};
use contract::r#type::v1::ErrorReason as Common;
use jiff::civil::Date;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{Grading, overrides, schemes, simulations};

const TICK: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

/// How far the days have been followed by work that falls due with them.
pub struct Days {
    reached: watch::Sender<Date>,
    asked: Notify,
    // Says in English and Chinese what of a day is not done yet.
    late: fn(Date) -> (String, String),
}

impl Days {
    /// None yet.
    pub fn new(late: fn(Date) -> (String, String)) -> Self {
        Self { reached: watch::Sender::new(Date::MIN), asked: Notify::new(), late }
    }

    /// Waits until what falls due on a day is done, so that its first reader does not see yesterday's.
    pub async fn reach(&self, day: Date) -> Answer<()> {
        let mut reached = self.reached.subscribe();
        if *reached.borrow_and_update() >= day {
            return Ok(());
        }
        self.asked.notify_one();
        match tokio::time::timeout(PATIENCE, reached.wait_for(|reached| *reached >= day)).await {
            Ok(Ok(_)) => Ok(()),
            _ => {
                let (en, zh) = (self.late)(day);
                Err(Fault::unavailable(Common::PositionNotReached.as_str_name(), en, zh))
            }
        }
    }

    /// Does what falls due, day after day. It looks every second: the clock may be moved, and a change taken in round midnight may fall due
    /// behind its back.
    pub async fn follow<F: Future<Output = Answer<()>>>(
        &self,
        clock: &Clock,
        stopping: &CancellationToken,
        pass: impl Fn() -> F,
    ) {
        while !stopping.is_cancelled() {
            let today = clock.today();
            match pass().await {
                Ok(()) => {
                    let moved = |reached: &mut Date| std::mem::replace(reached, today) != today;
                    self.reached.send_if_modified(moved);
                }
                Err(fault) => tracing::warn!(%fault, "what falls due with the day waits"),
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = self.asked.notified() => {}
                () = stopping.cancelled() => {}
            }
        }
    }
}

/// What takes effect or ends on a day.
pub fn of_rules() -> Days {
    Days::new(|day| {
        let en = format!("what takes effect on {day} is still being put in force; try again shortly");
        (en, format!("{day}施行的事项仍在生效处理中；请稍后重试"))
    })
}

/// Puts in force and ends what has its day.
pub async fn pass(app: Arc<Grading>, stopping: CancellationToken) {
    let to = || async {
        let context = Context::of_service("grading", app.clock.now(), stopping.clone());
        pass_to(&app, &context).await
    };
    app.days.follow(&app.clock, &stopping, to).await;
}

// A look costs no write lock; any number of replicas may look, and the first that holds the rows does it.
async fn pass_to(app: &Arc<Grading>, context: &Context) -> Answer<()> {
    for scheme in schemes::rows::due(app.store.read(), context.today()).await? {
        let tx = app.store.begin().await?;
        schemes::rows::change(&tx).await?;
        schemes::publication::take_over(&tx, context, &scheme).await?;
        tx.commit().await?;
    }
    overrides::pass(app, context).await?;
    simulations::shadows::pass(app, context).await
}
