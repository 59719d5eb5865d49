//! Recomputes a draw from its bundle and names what differs, and what a bundle without the roster cannot show.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::bundle::Bundle;
use crate::fault::Fault;
use crate::quota::Quotas;
use crate::roster::Roster;
use crate::seed::{Seed, commitment, digest};
use crate::selection::{Selected, replace, select};

/// Something in a bundle that the arithmetic does not bear out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discrepancy {
    /// The field of the bundle, such as `seed` or `selected[3].ticket`.
    pub path: String,
    /// What differs, in English.
    pub en: String,
    /// 不符之处。
    pub zh: String,
}

/// What a verification did not reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// In English.
    pub en: String,
    /// 说明。
    pub zh: String,
}

/// A bundle of which everything that can be recomputed agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The subjects on the roster, where the roster is public.
    pub roster_size: Option<usize>,
    /// The subjects drawn.
    pub drawn: usize,
    /// Drawn subjects that others took the place of.
    pub replaced: usize,
    /// What could not be verified from the bundle alone.
    pub remarks: Vec<Remark>,
}

/// Recomputes everything that a bundle states.
pub fn verify(bundle: &Bundle) -> Result<Verified, Vec<Discrepancy>> {
    let mut check = Check { found: Vec::new() };
    check.commitment(bundle);
    let (roster, roster_digest, excerpt) = check.roster(bundle);
    check.exclusions(bundle, roster.as_ref());
    let quotas = check.quotas(bundle, roster.as_ref());
    let seed = check.seed(bundle, &roster_digest);
    check.tickets(bundle, &seed);
    match (&roster, &quotas) {
        (Some(roster), Some(quotas)) => {
            check.selection(bundle, &select(&seed, roster, quotas));
            check.replacements(bundle, &seed, roster, quotas);
        }
        (None, Some(quotas)) => check.without_roster(bundle, quotas),
        _ => {}
    }
    if !check.found.is_empty() {
        return Err(check.found);
    }
    Ok(Verified {
        roster_size: roster.as_ref().map(Roster::len),
        drawn: bundle.selected.len(),
        replaced: bundle.replacements.len(),
        remarks: remarks(bundle, roster.is_some(), excerpt),
    })
}

struct Check {
    found: Vec<Discrepancy>,
}

impl Check {
    fn say(&mut self, path: impl Into<String>, en: String, zh: String) {
        self.found.push(Discrepancy { path: path.into(), en, zh });
    }

    fn fault(&mut self, path: &str, fault: &Fault) {
        self.say(path, fault.message_en().to_owned(), fault.message_zh().to_owned());
    }

    fn same(&mut self, path: impl Into<String>, stated: &str, recomputed: &str) {
        if stated != recomputed {
            let en = format!("the bundle states {stated}, recomputed it is {recomputed}");
            self.say(path, en, format!("材料所载为{stated}，重新计算得{recomputed}"));
        }
    }

    fn commitment(&mut self, bundle: &Bundle) {
        let secret = &bundle.secret;
        if secret.len() != 64 || !secret.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
            let en = "the secret is not 32 bytes in lower-case hex".to_owned();
            self.say("secret", en, "秘密值不是32字节的小写十六进制".to_owned());
        }
        self.same("commitment", &bundle.commitment, &commitment(secret));
    }

    /// The whole roster where it is there, the digest to go on with, and whether only one line of it was given.
    fn roster(&mut self, bundle: &Bundle) -> (Option<Roster>, String, bool) {
        if bundle.roster.is_empty() {
            return (None, bundle.roster_digest.clone(), false);
        }
        let roster_digest = digest(&bundle.roster);
        let differs = !bundle.roster_digest.is_empty() && bundle.roster_digest != roster_digest;
        // A subject that may see its own grade gets its own line beside the digest of the whole.
        if differs && bundle.roster.lines().count() == 1 {
            self.excerpt(bundle);
            return (None, bundle.roster_digest.clone(), true);
        }
        if differs {
            self.same("rosterDigest", &bundle.roster_digest, &roster_digest);
        }
        match Roster::parse(bundle.roster.as_str()) {
            Ok(roster) => (Some(roster), roster_digest, false),
            Err(fault) => {
                self.fault("roster", &fault);
                (None, roster_digest, false)
            }
        }
    }

    fn excerpt(&mut self, bundle: &Bundle) {
        match Roster::parse(bundle.roster.as_str()) {
            Err(fault) => self.fault("roster", &fault),
            Ok(line) => {
                let known = Quotas::parse(&bundle.quota_text);
                for (stratum, _) in line.strata() {
                    if known
                        .as_ref()
                        .is_ok_and(|quotas| !quotas.strata().iter().any(|(name, _)| name == stratum))
                    {
                        let en = format!("stratum {stratum} of the line is not among the quotas");
                        self.say("roster", en, format!("该行的等级{stratum}不在抽取数之列"));
                    }
                }
            }
        }
    }

    /// Who was left out is listed as digested, and is not on the roster after all.
    fn exclusions(&mut self, bundle: &Bundle, roster: Option<&Roster>) {
        if bundle.exclusions.is_empty() {
            return;
        }
        self.same("exclusionsDigest", &bundle.exclusions_digest, &digest(&bundle.exclusions));
        for line in bundle.exclusions.lines() {
            let uscc = line.split(',').next().unwrap_or_default();
            if roster.is_some_and(|roster| roster.stratum_of(uscc).is_some()) {
                let en = format!("{uscc} is listed as left out and is on the roster");
                self.say("exclusions", en, format!("{uscc}列为排除，却在名单之中"));
            }
        }
    }

    fn quotas(&mut self, bundle: &Bundle, roster: Option<&Roster>) -> Option<Quotas> {
        let quotas =
            Quotas::parse(&bundle.quota_text).map_err(|fault| self.fault("quotaText", &fault)).ok()?;
        let Some(roster) = roster else { return Some(quotas) };
        let members: BTreeMap<&str, usize> =
            roster.strata().iter().map(|(name, n)| (name.as_str(), *n)).collect();
        for (stratum, drawn) in quotas.strata() {
            match members.get(stratum.as_str()) {
                None => {
                    let en = format!("stratum {stratum} has a line and no member on the roster");
                    self.say("quotaText", en, format!("等级{stratum}有抽取数，名单中却无其主体"));
                }
                Some(members) if drawn > members => {
                    let en = format!("{drawn} are drawn of the {members} members of stratum {stratum}");
                    self.say("quotaText", en, format!("等级{stratum}仅有{members}个主体，却抽取{drawn}个"));
                }
                Some(_) => {}
            }
        }
        let lined: BTreeSet<&str> = quotas.strata().iter().map(|(name, _)| name.as_str()).collect();
        for stratum in members.keys().filter(|stratum| !lined.contains(*stratum)) {
            let en = format!("stratum {stratum} has members on the roster and no line");
            self.say("quotaText", en, format!("名单中有等级{stratum}的主体，却无其抽取数"));
        }
        Some(quotas)
    }

    /// The seed to check tickets by: the recomputed one, or a wrong one that the tickets were made from, so that
    /// one wrong seed is told once and not again with every ticket.
    fn seed(&mut self, bundle: &Bundle, roster_digest: &str) -> Seed {
        let recomputed = Seed::derive(&bundle.secret, &bundle.entropy, roster_digest, &bundle.quota_text);
        self.same("seed", &bundle.seed, recomputed.as_str());
        let stated = Seed::of(bundle.seed.clone());
        let made_from_stated = bundle
            .selected
            .first()
            .is_some_and(|first| stated.ticket(&first.uscc).to_string() == first.ticket);
        if made_from_stated { stated } else { recomputed }
    }

    fn tickets(&mut self, bundle: &Bundle, seed: &Seed) {
        let mut seen = BTreeSet::new();
        for (index, selected) in bundle.selected.iter().enumerate() {
            let path = format!("selected[{index}]");
            self.same(format!("{path}.ticket"), &selected.ticket, &seed.ticket(&selected.uscc).to_string());
            if !seen.insert(&selected.uscc) {
                let uscc = &selected.uscc;
                self.say(path, format!("{uscc} is drawn twice"), format!("{uscc}重复抽中"));
            }
        }
        for (index, replacement) in bundle.replacements.iter().enumerate() {
            let ticket = seed.ticket(&replacement.replaced_by).to_string();
            self.same(format!("replacements[{index}].ticket"), &replacement.ticket, &ticket);
        }
    }

    fn selection(&mut self, bundle: &Bundle, recomputed: &[Selected]) {
        let due: BTreeMap<&str, &str> =
            recomputed.iter().map(|s| (s.uscc.as_str(), s.stratum.as_str())).collect();
        let stated: BTreeSet<&str> = bundle.selected.iter().map(|s| s.uscc.as_str()).collect();
        let before = self.found.len();
        for (index, selected) in bundle.selected.iter().enumerate() {
            let uscc = &selected.uscc;
            match due.get(uscc.as_str()) {
                None => {
                    let en = format!("{uscc} is not among the smallest tickets of its stratum");
                    self.say(
                        format!("selected[{index}]"),
                        en,
                        format!("{uscc}的号签不在本等级最小之列，不应抽中"),
                    );
                }
                Some(stratum) if !selected.stratum.is_empty() => {
                    self.same(format!("selected[{index}].stratum"), &selected.stratum, stratum);
                }
                Some(_) => {}
            }
        }
        for missing in recomputed.iter().filter(|due| !stated.contains(due.uscc.as_str())) {
            let (uscc, stratum) = (&missing.uscc, &missing.stratum);
            let en = format!("{uscc} of stratum {stratum} is drawn by its ticket and not listed");
            self.say("selected", en, format!("等级{stratum}的{uscc}按号签应抽中而未列"));
        }
        // Where strata are withheld the order follows the tickets alone, so as not to tell them.
        let ordered = bundle.selected.iter().all(|selected| !selected.stratum.is_empty());
        let misplaced =
            bundle.selected.iter().zip(recomputed).position(|(stated, due)| stated.uscc != due.uscc);
        if let (true, true, Some(index)) = (ordered, self.found.len() == before, misplaced) {
            let en = "out of order: strata come in the order of their bytes, tickets ascending".to_owned();
            self.say(format!("selected[{index}]"), en, "次序有误，应按等级、再按号签升序排列".to_owned());
        }
    }

    fn replacements(&mut self, bundle: &Bundle, seed: &Seed, roster: &Roster, quotas: &Quotas) {
        let impossible: Vec<(&str, &str)> =
            bundle.replacements.iter().map(|r| (r.uscc.as_str(), r.reason.as_str())).collect();
        match replace(seed, roster, quotas, &impossible) {
            Err(fault) => self.fault("replacements", &fault),
            Ok(recomputed) => {
                for (index, (stated, due)) in bundle.replacements.iter().zip(&recomputed).enumerate() {
                    let path = format!("replacements[{index}]");
                    self.same(format!("{path}.replacedBy"), &stated.replaced_by, &due.replaced_by);
                    if !stated.stratum.is_empty() {
                        self.same(format!("{path}.stratum"), &stated.stratum, &due.stratum);
                    }
                }
            }
        }
    }

    /// What holds whatever the roster is.
    fn without_roster(&mut self, bundle: &Bundle, quotas: &Quotas) {
        if bundle.selected.len() != quotas.total() {
            self.same("selected", &bundle.selected.len().to_string(), &quotas.total().to_string());
        }
        let drawn: BTreeSet<&str> = bundle.selected.iter().map(|selected| selected.uscc.as_str()).collect();
        let (mut called, mut replaced) = (drawn, BTreeSet::new());
        for (index, replacement) in bundle.replacements.iter().enumerate() {
            let (uscc, next) = (replacement.uscc.as_str(), replacement.replaced_by.as_str());
            if !called.contains(uscc) || !replaced.insert(uscc) {
                let en = format!("{uscc} was not to be visited, or was replaced before");
                self.say(
                    format!("replacements[{index}].uscc"),
                    en,
                    format!("{uscc}不在应检查之列，或已被替补"),
                );
            }
            if !called.insert(next) {
                let en = format!("{next} was to be visited already");
                self.say(format!("replacements[{index}].replacedBy"), en, format!("{next}本已在应检查之列"));
            }
        }
    }
}

fn remarks(bundle: &Bundle, whole: bool, excerpt: bool) -> Vec<Remark> {
    let source = if bundle.entropy_source.is_empty() { "?" } else { &bundle.entropy_source };
    let mut remarks = vec![Remark {
        en: format!(
            "That the source ({source}) said this entropy, and after the commitment, is to be looked up there."
        ),
        zh: format!("该随机数确由来源（{source}）在承诺之后公布，须向该来源查证。"),
    }];
    if excerpt {
        remarks.push(Remark {
            en: "The roster given is one line of the whole; that the line is in it was not verified."
                .to_owned(),
            zh: "所附名单仅为其中一行，该行确在名单之内未予验证。".to_owned(),
        });
    }
    if !whole {
        remarks.push(Remark {
            en: "The roster is not public, so it was not verified that the smallest tickets of each stratum, and the \
                 next ones for replacements, are those listed. The auditor can."
                .to_owned(),
            zh: "名单不公开，所列是否为各等级最小号签、替补是否为其后号签未予验证，可由审计人员验证。".to_owned(),
        });
    }
    remarks
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.en)
    }
}
