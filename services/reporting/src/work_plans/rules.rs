//! What a plan's state allows, and what a plan may say. Pure.
use chassis::{Fault, fault::Violation};
use contract::reporting::v1::{ErrorReason, Task, work_plan::State};

/// Refuses what the plan's state does not allow.
pub fn in_state(state: State, allowed: &[State], en: &str, zh: &str) -> Result<(), Fault> {
    if allowed.contains(&state) {
        return Ok(());
    }
    let (now_en, now_zh) = match state {
        State::Draft => ("a draft", "草案"),
        State::Submitted => ("submitted", "已报送"),
        State::Accepted => ("accepted", "已采纳"),
        State::Returned => ("returned", "已退回"),
        State::Unspecified => ("unknown", "状态未知"),
    };
    Err(Fault::precondition(
        ErrorReason::StateForbids.as_str_name(),
        format!("the plan is {now_en}: {en}"),
        format!("该工作方案{now_zh}：{zh}"),
    )
    .with("state", state.as_str_name()))
}

/// The day of a task lies in the plan's year or the next: what is to be done later belongs in that year's plan.
pub fn days(year: i32, tasks: &[Task]) -> Vec<Violation> {
    let wrong = tasks.iter().enumerate().filter(|(_, task)| {
        let due: Option<i32> = task.due_on.get(..4).and_then(|year| year.parse().ok());
        due.is_none_or(|due| due < year || due > year + 1)
    });
    let violation = |(index, task): (usize, &Task)| {
        Violation::new(
            format!("workPlan.tasks[{index}].dueOn"),
            format!(
                "is {}, outside of {year} and the year after; a plan of {year} has tasks of {year}",
                task.due_on
            ),
            format!("为{}，不在{year}年及次年之内；{year}年度方案只列该年度任务", task.due_on),
        )
    };
    wrong.map(violation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_allows_or_says_what_it_is() {
        assert!(in_state(State::Draft, &[State::Draft], "", "").is_ok());
        let refused = in_state(State::Returned, &[State::Draft, State::Submitted], "draft another", "请另拟")
            .unwrap_err();
        assert_eq!(refused.text().zh, "该工作方案已退回：请另拟");
        assert_eq!(refused.text().en, "the plan is returned: draft another");
    }

    #[test]
    fn a_task_belongs_to_its_plan_s_year_or_the_next() {
        let task = |due_on: &str| Task { due_on: due_on.into(), ..Default::default() };
        let tasks = ["2026-01-01", "2025-12-31", "2027-12-31", "2028-01-01"].map(task);
        let found = days(2026, &tasks);
        let fields: Vec<&str> = found.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["workPlan.tasks[1].dueOn", "workPlan.tasks[3].dueOn"]);
    }
}
