//! Who leaves a roster before it is frozen, and why 国办发〔2024〕54号: a yearly cap a subject across departments, no visit without need.
//! Pure.
use std::collections::{BTreeMap, HashMap};

use contract::{
    grading::v1::Measure,
    sampling::v1::{Exclusion, Exemption, Plan, Quota, exclusion::Reason},
};
use jiff::civil::Date;

/// What a subject had in a year, and when it was drawn last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Its visits of the year, drawn or ordered, by whatever department.
    pub visits: i32,
    /// The day of the last draw that it was in, YYYY-MM-DD; empty: none.
    pub drawn_on: String,
}

/// The year in which a plan's visits count: that in which its period begins.
pub fn year_of(plan: &Plan) -> i32 {
    let from = plan.period.as_ref().map_or("", |period| period.from.as_str());
    from.get(..4).and_then(|year| year.parse().ok()).unwrap_or_default()
}

/// The most visits a year of each stratum that has a cap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caps(BTreeMap<String, i32>);

impl Caps {
    /// What the scheme's measures say, where the plan is not stricter.
    pub fn of(quotas: &[Quota], measures: &[Measure]) -> Self {
        let planned = quotas.iter().filter_map(|quota| Some((quota.grade.as_str(), quota.max_per_year?)));
        let measured =
            measures.iter().filter_map(|measure| Some((measure.grade.as_str(), measure.max_per_year?)));
        let mut caps: BTreeMap<String, i32> = BTreeMap::new();
        for (grade, most) in planned.chain(measured) {
            caps.entry(grade.to_owned()).and_modify(|cap| *cap = most.min(*cap)).or_insert(most);
        }
        Self(caps)
    }

    /// As a draw keeps them: one line `stratum,n` each.
    pub fn text(&self) -> String {
        self.0.iter().map(|(stratum, most)| format!("{stratum},{most}\n")).collect()
    }

    /// Reads what a draw keeps.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (stratum, most) = line.rsplit_once(',')?;
            Some((stratum.to_owned(), most.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// The cap of a stratum.
    pub fn of_stratum(&self, stratum: &str) -> Option<i32> {
        self.0.get(stratum).copied()
    }

    /// The least of them.
    pub fn least(&self) -> Option<i32> {
        self.0.values().min().copied()
    }
}

/// Why a subject that has so many visits gets no more, in words for a list and for a bundle.
pub fn at_cap(visits: i32, cap: i32, year: i32) -> String {
    format!("已达年度检查频次上限 at the yearly cap: {visits} of {cap} in {year}")
}

/// By what subjects are left out.
pub struct Sieve<'a> {
    /// The caps.
    pub caps: &'a Caps,
    /// The year in which visits count.
    pub year: i32,
    /// Each subject's visits.
    pub histories: &'a HashMap<String, History>,
    /// From this day on who was drawn is left out, YYYY-MM-DD; empty: nobody is for that.
    pub drawn_since: String,
    /// Who is exempt, and why.
    pub exempt: HashMap<String, String>,
}

impl<'a> Sieve<'a> {
    /// The sieve of a plan. An exemption counts that holds on any day of the period: a visit may fall on it.
    pub fn of(
        plan: &Plan,
        caps: &'a Caps,
        histories: &'a HashMap<String, History>,
        exemptions: Vec<Exemption>,
    ) -> Self {
        let (from, to) =
            plan.period.as_ref().map_or(("", ""), |period| (period.from.as_str(), period.to.as_str()));
        // Dates of this form compare as texts.
        let holds = |one: &Exemption| one.from.as_str() <= to && one.until.as_str() >= from;
        let registered = exemptions.into_iter().filter(holds).map(|one| (one.uscc, one.reason));
        let own = plan.exemptions.iter().map(|one| (one.uscc.clone(), one.reason.clone()));
        Self {
            caps,
            year: year_of(plan),
            histories,
            drawn_since: drawn_since(from, plan.exclude_drawn_within_years),
            exempt: registered.chain(own).collect(),
        }
    }

    /// Why a subject leaves the roster; nothing where it stays.
    pub fn excludes(&self, uscc: &str, stratum: &str) -> Option<Exclusion> {
        let because = |reason: Reason, detail: String| {
            // One line an exclusion, whatever a rule was written like.
            let detail = detail.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            Some(Exclusion { uscc: uscc.to_owned(), reason: reason as i32, detail })
        };
        if let Some(why) = self.exempt.get(uscc) {
            return because(Reason::Exempt, why.clone());
        }
        let history = self.histories.get(uscc);
        if let Some(on) = history.map(|history| &history.drawn_on)
            && !self.drawn_since.is_empty()
            && *on >= self.drawn_since
        {
            return because(Reason::DrawnRecently, on.clone());
        }
        let visits = history.map_or(0, |history| history.visits);
        let cap = self.caps.of_stratum(stratum).filter(|cap| visits >= *cap)?;
        because(Reason::AtCap, at_cap(visits, cap, self.year))
    }
}

// The day so many years before another; empty for no years.
fn drawn_since(from: &str, years: i32) -> String {
    if years == 0 {
        return String::new();
    }
    let day: Option<Date> = from.parse().ok();
    let since = day.and_then(|day| day.checked_sub(jiff::Span::new().try_years(years).ok()?).ok());
    since.map(|day| day.to_string()).unwrap_or_default()
}

/// The list of exclusions as it is hashed and published: one line `uscc,REASON,detail` each.
pub fn text(exclusions: &[Exclusion]) -> String {
    exclusions.iter().map(line).collect()
}

/// One line of it.
pub fn line(one: &Exclusion) -> String {
    format!("{},{},{}\n", one.uscc, one.reason().as_str_name(), one.detail)
}

#[cfg(test)]
mod tests {
    use contract::sampling::v1::{Period, PlanExemption};

    use super::*;

    fn plan() -> Plan {
        let period = Period { from: "2026-03-01".to_owned(), to: "2026-06-30".to_owned() };
        Plan { period: Some(period), ..Default::default() }
    }

    fn history(visits: i32, drawn_on: &str) -> History {
        History { visits, drawn_on: drawn_on.to_owned() }
    }

    fn reason_of(sieve: &Sieve<'_>, uscc: &str, stratum: &str) -> Option<Reason> {
        sieve.excludes(uscc, stratum).map(|one| one.reason())
    }

    #[test]
    fn the_stricter_cap_holds() {
        let quota =
            |grade: &str, most| Quota { grade: grade.to_owned(), max_per_year: most, ..Default::default() };
        let measure =
            |grade: &str, most| Measure { grade: grade.to_owned(), max_per_year: most, ..Default::default() };
        let caps = Caps::of(
            &[quota("A", Some(1)), quota("B", None), quota("C", Some(5)), quota("D", None)],
            &[measure("A", Some(2)), measure("B", Some(3)), measure("C", Some(4)), measure("D", None)],
        );
        assert_eq!(caps.text(), "A,1\nB,3\nC,4\n");
        assert_eq!(Caps::parse(&caps.text()), caps);
        assert_eq!((caps.of_stratum("D"), caps.least()), (None, Some(1)));
        assert_eq!(Caps::default().least(), None);
    }

    #[test]
    fn a_subject_leaves_at_its_cap_and_not_before() {
        let caps = Caps::parse("A,2\nB,0\n");
        let histories: HashMap<String, History> =
            [("X".to_owned(), history(2, "")), ("Y".to_owned(), history(1, ""))].into();
        let sieve = Sieve::of(&plan(), &caps, &histories, Vec::new());
        assert_eq!(reason_of(&sieve, "X", "A"), Some(Reason::AtCap));
        assert_eq!(reason_of(&sieve, "Y", "A"), None);
        assert_eq!(reason_of(&sieve, "X", "C"), None, "no cap");
        assert_eq!(reason_of(&sieve, "Z", "B"), Some(Reason::AtCap), "a cap of none");
        assert!(sieve.excludes("X", "A").unwrap().detail.ends_with("2 of 2 in 2026"));
    }

    #[test]
    fn who_was_drawn_within_the_years_leaves() {
        let histories: HashMap<String, History> = [
            ("on".to_owned(), history(0, "2023-03-01")),
            ("before".to_owned(), history(0, "2023-02-28")),
            ("never".to_owned(), history(0, "")),
        ]
        .into();
        let caps = Caps::default();
        let plan = Plan { exclude_drawn_within_years: 3, ..plan() };
        let sieve = Sieve::of(&plan, &caps, &histories, Vec::new());
        assert_eq!(reason_of(&sieve, "on", "A"), Some(Reason::DrawnRecently));
        assert_eq!(reason_of(&sieve, "before", "A"), None);
        assert_eq!(reason_of(&sieve, "never", "A"), None);
    }

    #[test]
    fn an_exemption_holds_on_its_days() {
        let exemption = |uscc: &str, from: &str, until: &str| Exemption {
            uscc: uscc.to_owned(),
            from: from.to_owned(),
            until: until.to_owned(),
            reason: "白名单\n".to_owned(),
            ..Default::default()
        };
        let plan = Plan {
            exemptions: vec![PlanExemption { uscc: "own".to_owned(), reason: "新设".to_owned() }],
            ..plan()
        };
        let (caps, histories) = (Caps::default(), HashMap::new());
        let sieve = Sieve::of(
            &plan,
            &caps,
            &histories,
            vec![
                exemption("touching", "2026-06-30", "2027-01-01"),
                exemption("over", "2025-01-01", "2026-02-28"),
            ],
        );
        assert_eq!(reason_of(&sieve, "touching", "A"), Some(Reason::Exempt));
        assert_eq!(reason_of(&sieve, "over", "A"), None);
        let own = sieve.excludes("own", "A").unwrap();
        assert_eq!(line(&own), "own,EXEMPT,新设\n");
        assert_eq!(line(&sieve.excludes("touching", "A").unwrap()), "touching,EXEMPT,白名单 \n");
    }

    #[test]
    fn visits_count_in_the_year_in_which_the_period_begins() {
        assert_eq!(year_of(&plan()), 2026);
        assert_eq!(year_of(&Plan::default()), 0);
    }
}
