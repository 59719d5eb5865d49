//! What falls due with a day: versions that take over, overrides and shadows that end. Each reader of a new day waits for it once.
use std::{sync::Arc, time::Duration};

use chassis::{Answer, Context, Fault};
use contract::r#type::v1::ErrorReason as Common;
use jiff::civil::Date;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{Grading, overrides, schemes, simulations};

const TICK: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

/// How far the days have been followed.
pub struct Days {
    reached: watch::Sender<Date>,
    asked: Notify,
}

impl Default for Days {
    fn default() -> Self {
        Self { reached: watch::Sender::new(Date::MIN), asked: Notify::new() }
    }
}

impl Days {
    /// Waits until what falls due on a day is done, so that its first reader does not see yesterday's versions.
    pub async fn reach(&self, day: Date) -> Answer<()> {
        let mut reached = self.reached.subscribe();
        if *reached.borrow_and_update() >= day {
            return Ok(());
        }
        self.asked.notify_one();
        match tokio::time::timeout(PATIENCE, reached.wait_for(|reached| *reached >= day)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Fault::unavailable(
                Common::PositionNotReached.as_str_name(),
                format!("what takes effect on {day} is still being put in force; try again shortly"),
                format!("{day}施行的事项仍在生效处理中；请稍后重试"),
            )),
        }
    }
}

/// Does what falls due, day after day. It looks every second: the clock may be moved.
pub async fn pass(app: Arc<Grading>, stopping: CancellationToken) {
    while !stopping.is_cancelled() {
        let context = Context::of_service("grading", app.clock.now(), stopping.clone());
        match pass_to(&app, &context).await {
            Ok(()) => {
                let today = context.today();
                let moved = |reached: &mut Date| std::mem::replace(reached, today) != today;
                app.days.reached.send_if_modified(moved);
            }
            Err(fault) => tracing::warn!(%fault, "what falls due with the day waits"),
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = app.days.asked.notified() => {}
            () = stopping.cancelled() => {}
        }
    }
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
