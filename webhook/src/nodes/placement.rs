//! Whether a pod may run on a node, by the scheduler's rules about labels, taints and names.
//!
//! The rules are those of `k8s.io/component-helpers/scheduling/corev1`. An unknown rule, such as a newer operator,
//! counts as met: then the pod gets its variables from annotations, which always work.

use super::{OldNode, Taint};
use crate::view::Spec;
use crate::view::scheduling::{NodeSelectorTerm, Requirement, Toleration};

/// The one field that a node can be selected by.
const NAME_FIELD: &str = "metadata.name";

/// Whether the pod may run on this node.
pub fn may_run(spec: &Spec<'_>, node: &OldNode) -> bool {
    // A pod that names its node is not scheduled.
    if !spec.node_name.is_empty() {
        return *spec.node_name == *node.name;
    }
    let selected = spec
        .node_selector
        .iter()
        .all(|(key, value)| node.labels.get(&**key).is_some_and(|label| **label == **value));
    let terms = spec.affinity.node_affinity.required.as_ref();
    selected
        && terms.is_none_or(|terms| terms.node_selector_terms.iter().any(|term| meets(term, node)))
        && node.taints.iter().all(|taint| is_tolerated(taint, &spec.tolerations))
}

fn meets(term: &NodeSelectorTerm<'_>, node: &OldNode) -> bool {
    let NodeSelectorTerm { match_expressions, match_fields } = term;
    if match_expressions.is_empty() && match_fields.is_empty() {
        return false;
    }
    let label = |key: &str| node.labels.get(key).map(String::as_str);
    let field = |key: &str| (key == NAME_FIELD).then_some(&*node.name);
    match_expressions.iter().all(|requirement| holds(requirement, label(&requirement.key)))
        && match_fields.iter().all(|requirement| holds(requirement, field(&requirement.key)))
}

fn holds(requirement: &Requirement<'_>, found: Option<&str>) -> bool {
    let values = &requirement.values;
    let listed = |found: &str| values.iter().any(|value| **value == *found);
    match &*requirement.operator {
        "In" => found.is_some_and(listed),
        "NotIn" => !found.is_some_and(listed),
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        "Gt" => compare(values.first().map(|value| &**value), found, |label, bound| label > bound),
        "Lt" => compare(values.first().map(|value| &**value), found, |label, bound| label < bound),
        _ => true,
    }
}

fn compare(bound: Option<&str>, found: Option<&str>, order: impl Fn(i64, i64) -> bool) -> bool {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    match (number(found), number(bound)) {
        (Some(label), Some(bound)) => order(label, bound),
        _ => false,
    }
}

fn is_tolerated(taint: &Taint, tolerations: &[Toleration<'_>]) -> bool {
    tolerations.iter().any(|toleration| {
        let covers = |part: &str, whole: &str| part.is_empty() || part == whole;
        covers(&toleration.effect, &taint.effect)
            && covers(&toleration.key, &taint.key)
            && match &*toleration.operator {
                "" | "Equal" => *toleration.value == *taint.value,
                _ => true,
            }
    })
}

#[cfg(test)]
mod tests;
