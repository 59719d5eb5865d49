//! Sharing 共享: the change feed as each follower may see it, by item and region, and what needs the subject's grant only under one.
use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use chassis::{
    Answer, Context,
    clock::business_day,
    feed::{self, Entry, PAGE},
};
use contract::credit::v1::{self as api, change::Kind};
use futures::{StreamExt, stream::BoxStream};
use tokio::sync::watch::Receiver;
use tonic::Status;

use crate::{
    Credit,
    accesses::{self, Look},
    authorizations, changes,
    items::{self, Nature},
    outcomes, subjects,
    usage::Delivered,
};

/// How long what was found of grants is believed while nothing is committed here: another replica may have taken one back.
const BELIEVED_FOR: Duration = Duration::from_secs(1);
/// How often a follower is told how far it is while nothing concerns it.
const PROGRESS_EACH: Duration = Duration::from_secs(1);

/// Serves the feed.
pub async fn watch(
    app: &Arc<Credit>,
    context: &Context,
    request: api::WatchRequest,
) -> Answer<BoxStream<'static, Result<api::Change, Status>>> {
    if !context.caller.enterprise().is_empty() {
        return Err(outcomes::not_for_enterprises());
    }
    let filter = Filter::of(app, &request).await?;
    let reader = if context.caller.is_service() { None } else { Some(Reader::of(context, &request)?) };
    let pages = feed::pages(app.store.clone(), context, &request.cursor, request.until_caught_up)?;
    let mut commits = app.store.commits();
    commits.mark_changed();
    let following = Following {
        app: app.clone(),
        context: context.clone(),
        filter,
        delivered: reader.is_some().then(|| Delivered::new(app, context)),
        reader,
        pages: pages.boxed(),
        queue: VecDeque::new(),
        in_force: InForce { asked: HashSet::new(), grants: HashSet::new(), commits, since: Instant::now() },
        behind: None,
        left_out: 0,
        told: Instant::now(),
        ended: false,
    };
    let language = context.language;
    let changes = futures::stream::unfold(following, async |mut following| {
        let next = following.next().await?;
        following.ended |= next.is_err();
        Some((next, following))
    });
    Ok(changes.map(move |change| change.map_err(|fault| fault.into_status(language))).boxed())
}

/// What of the feed a follower asked for.
struct Filter {
    items: HashSet<String>,
    // What the region's codes begin with; empty: all.
    region: String,
}

impl Filter {
    async fn of(app: &Credit, request: &api::WatchRequest) -> Answer<Self> {
        let items: HashSet<String> = request.items.iter().map(|item| item.trim().to_owned()).collect();
        let known = app.catalogue.in_force(&app.store).await?;
        if let Some(item) = items.iter().find(|item| !known.contains_key(*item)) {
            return Err(items::unknown(item).at("items"));
        }
        let region = match request.region.trim() {
            "" => String::new(),
            given => subjects::region_prefix(given)?,
        };
        Ok(Self { items, region })
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.region.is_empty()
    }

    fn of_item(&self, change: &api::Change) -> bool {
        if self.items.is_empty() {
            return true;
        }
        let of_record = change.record.as_ref().is_some_and(|record| self.items.contains(&record.item));
        let of_grant = change
            .authorization
            .as_ref()
            .is_some_and(|grant| grant.items.iter().any(|item| self.items.contains(item)));
        of_record || of_grant
    }
}

/// A follower that is none of the suite's services.
struct Reader {
    department: String,
    office: bool,
    // What it follows for; without one it gets nothing that needs a grant.
    purpose: String,
}

impl Reader {
    fn of(context: &Context, request: &api::WatchRequest) -> Answer<Self> {
        let caller = &context.caller;
        let purpose = caller.purpose(&request.purpose).unwrap_or_default();
        Ok(Self {
            department: caller.department().to_owned(),
            office: caller.is_office(),
            purpose: outcomes::free_text("purpose", purpose, 200).map_err(outcomes::fault)?,
        })
    }

    // A department hears of the grants made to it, the credit office, which keeps them, of all.
    fn hears_of(&self, grant: &api::Authorization) -> bool {
        self.office || (!self.department.is_empty() && grant.department == self.department)
    }
}

/// A change to be delivered, under the grant that it needs.
struct Next {
    change: api::Change,
    grant: Option<String>,
}

/// Grants that were found in force, since a moment, of those that were asked about.
struct InForce {
    asked: HashSet<String>,
    grants: HashSet<String>,
    commits: Receiver<u64>,
    since: Instant,
}

struct Following {
    app: Arc<Credit>,
    context: Context,
    filter: Filter,
    reader: Option<Reader>,
    delivered: Option<Delivered>,
    pages: BoxStream<'static, Answer<Vec<Entry>>>,
    queue: VecDeque<Next>,
    in_force: InForce,
    // How far the feed was looked through beyond what was delivered.
    behind: Option<String>,
    // Entries looked through since the follower last heard of a position, and when it did.
    left_out: usize,
    told: Instant,
    ended: bool,
}

impl Following {
    async fn next(&mut self) -> Option<Answer<api::Change>> {
        loop {
            while let Some(next) = self.queue.pop_front() {
                match self.still_granted(&next).await {
                    Ok(true) => return Some(Ok(self.deliver(next.change))),
                    Ok(false) => {}
                    Err(fault) => return Some(Err(fault)),
                }
            }
            if self.ended {
                return None;
            }
            let page = self.pages.next().await;
            let settled = match &mut self.delivered {
                Some(delivered) => delivered.settle(page.is_none()).await,
                None => Ok(()),
            };
            let taken = match (settled, page) {
                (Err(fault), _) | (Ok(()), Some(Err(fault))) => Err(fault),
                (Ok(()), Some(Ok(page))) => self.take(&page).await,
                (Ok(()), None) => {
                    self.ended = true;
                    self.tell();
                    Ok(())
                }
            };
            if let Err(fault) = taken {
                return Some(Err(fault));
            }
        }
    }

    fn deliver(&mut self, change: api::Change) -> api::Change {
        self.told = Instant::now();
        if let Some(delivered) = &mut self.delivered
            && change.kind() != Kind::Progress
        {
            delivered.add(change.record.as_ref().map_or("", |record| &record.item));
        }
        change
    }

    // Puts what concerns the follower into the queue, a page at a time.
    async fn take(&mut self, page: &[Entry]) -> Answer<()> {
        let mut found = Vec::new();
        for entry in page {
            let change = changes::decode(entry)?;
            let heard = match (&self.reader, &change.authorization) {
                (Some(reader), Some(grant)) => reader.hears_of(grant),
                _ => true,
            };
            if heard && self.filter.of_item(&change) {
                found.push(change);
            }
        }
        if !self.filter.region.is_empty() && !found.is_empty() {
            let codes: BTreeSet<&str> = found.iter().map(|change| change.uscc.as_str()).collect();
            let codes: Vec<&str> = codes.into_iter().collect();
            let within = subjects::within(self.app.store.read(), &codes, &self.filter.region).await?;
            found.retain(|change| within.contains(&change.uscc));
        }
        let allowed = self.granted(found).await?;
        self.queue.extend(allowed);
        self.left_out += page.len();
        if let Some(last) = page.last() {
            let last = last.position.to_string();
            let reached = self.queue.back().is_some_and(|next| next.change.position == last);
            if reached {
                self.left_out = 0;
            }
            self.behind = (!reached).then_some(last);
        }
        if self.left_out >= PAGE || self.told.elapsed() >= PROGRESS_EACH {
            self.tell();
        }
        Ok(())
    }

    // Tells how far the feed was looked through, so that who takes it up again begins there.
    fn tell(&mut self) {
        if self.filter.is_empty() {
            return;
        }
        if let Some(position) = self.behind.take() {
            let change = api::Change { position, kind: Kind::Progress.into(), ..Default::default() };
            self.queue.push_back(Next { change, grant: None });
            self.left_out = 0;
        }
    }

    // What of the changes may be delivered: of records that need a grant those under one that is in force now, written down as looks.
    async fn granted(&mut self, found: Vec<api::Change>) -> Answer<Vec<Next>> {
        let free = |change| Next { change, grant: None };
        let Some(reader) = &self.reader else { return Ok(found.into_iter().map(free).collect()) };
        let items = self.app.catalogue.in_force(&self.app.store).await?;
        let in_need = |record: &api::Record| {
            items.get(&record.item).is_some_and(|item| item.body.nature() == Nature::Authorized)
        };
        let codes: BTreeSet<&str> = found
            .iter()
            .filter(|change| change.record.as_ref().is_some_and(in_need))
            .map(|change| change.uscc.as_str())
            .collect();
        if codes.is_empty() {
            return Ok(found.into_iter().map(free).collect());
        }
        let codes: Vec<&str> = codes.into_iter().collect();
        let (now, purpose) = (self.app.clock.now(), &reader.purpose);
        let granted =
            authorizations::for_reading(&self.app, &reader.department, purpose, &codes, business_day(now))
                .await?;
        let mut allowed = Vec::with_capacity(found.len());
        let mut looks: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for change in found {
            let needed = change.record.as_ref().filter(|record| in_need(record));
            let Some(record) = needed else {
                allowed.push(free(change));
                continue;
            };
            if let Some(grant) = granted.of(&record.uscc, &record.item).map(str::to_owned) {
                let look = (record.uscc.clone(), format!("feed:{}", record.item));
                looks.entry(look).or_default().insert(grant.clone());
                allowed.push(Next { change, grant: Some(grant) });
            }
        }
        if !looks.is_empty() {
            let looks: Vec<Look<'_>> =
                looks.iter().map(|((uscc, what), grants)| Look { uscc, what, grants }).collect();
            let context = Context { now, ..self.context.clone() };
            let tx = self.app.store.begin().await?;
            accesses::write(&tx, &context, purpose, &looks).await?;
            tx.commit().await?;
        }
        Ok(allowed)
    }

    // Whether a change may be delivered still: a follower may take its time over a page, and a grant is taken back at once.
    async fn still_granted(&mut self, next: &Next) -> Answer<bool> {
        let Some(grant) = &next.grant else { return Ok(true) };
        let stale = self.in_force.commits.has_changed().unwrap_or(true)
            || self.in_force.since.elapsed() >= BELIEVED_FOR;
        if stale || !self.in_force.asked.contains(grant) {
            self.in_force.commits.borrow_and_update();
            self.in_force.since = Instant::now();
            let waiting = self.queue.iter().filter_map(|next| next.grant.as_deref());
            let asked: BTreeSet<&str> = waiting.chain([grant.as_str()]).collect();
            let today = business_day(self.app.clock.now());
            self.in_force.grants = authorizations::in_force(&self.app, &asked, today).await?;
            self.in_force.asked = asked.into_iter().map(str::to_owned).collect();
        }
        Ok(self.in_force.grants.contains(grant))
    }
}
