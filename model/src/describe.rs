//! A step in words.

use crate::action::Action;
use crate::milestone::Step;
use crate::system::SystemState;

/// A step as text: its request, its milestones, and the names that are in use after it.
pub(crate) fn describe(before: &SystemState, action: Action, after: &SystemState) -> String {
    let mut text = action.to_string();
    let request = match action {
        Action::Deliver(pod, index)
        | Action::LoseAnswer(pod, index)
        | Action::GiveUp(pod, index)
        | Action::Duplicate(pod, index) => before
            .process(pod, index)
            .and_then(|process| process.call.as_ref())
            .map(|call| call.request.to_string()),
        Action::Land(late) => before.late_requests.get(late).map(|late| {
            format!("pod {}.{}'s {}", late.caller.pod, late.caller.nonce, late.request)
        }),
        _ => None,
    };
    text.extend(request.map(|request| format!(": {request}")));
    let mut milestones = Vec::new();
    Step { before, action, after }.milestones(&mut |milestone| {
        milestones.push(milestone.to_string());
    });
    if !milestones.is_empty() {
        text.push_str(" = ");
        text.push_str(&milestones.join(", "));
    }
    let uses: Vec<String> = (0..)
        .zip(&after.pods)
        .flat_map(|(pod, state)| state.beliefs.iter().map(move |belief| (pod, belief)))
        .filter(|(_, belief)| belief.holds())
        .map(|(pod, belief): (u8, _)| {
            format!("pod {pod}: name {}/{} for {} more", belief.pool, belief.name, belief.left)
        })
        .collect();
    if !uses.is_empty() {
        text.extend(["  [", &uses.join("; "), "]"]);
    }
    text
}
