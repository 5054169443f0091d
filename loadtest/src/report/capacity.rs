//! How many nodes: from what a consult was measured to cost.

use serde::{Deserialize, Serialize};

/// What one consult cost the target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Cores.
    pub(crate) cores: f64,
    /// MiB.
    pub(crate) memory_mib: Option<f64>,
    /// Highest number of consults per core seen to be well, where a ramp found it: it may be lower than what the
    /// processor alone would allow.
    pub(crate) most_per_core: Option<f64>,
}

impl Cost {
    /// How far to trust it.
    pub(crate) const fn caveat(&self) -> &'static str {
        match self.most_per_core {
            Some(_) => {
                "By the highest number that was well on one core of this machine; other processors differ."
            }
            None => {
                "By what consults cost on this machine, joining included; other processors and longer consults differ. \
                 A ramp tells where a node bends."
            }
        }
    }
}

/// What nodes are like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) cores: f64,
    pub(crate) memory_gib: f64,
    /// Share that is kept free: for one node lost, for a deploy, for the day that is not typical.
    pub(crate) headroom: f64,
}

/// Nodes for numbers of concurrent consults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) cost: Cost,
    pub(crate) node: Node,
    pub(crate) consults_per_node: u64,
    /// Consults, and nodes for them.
    pub(crate) nodes: Vec<(u64, u64)>,
}

/// Numbers of consults that a plan is made for when none is asked for.
const USUAL: [u64; 4] = [100, 1_000, 10_000, 50_000];

/// Makes a plan. None if a consult was not measured, or a node cannot carry a single one.
pub(crate) fn plan(cost: Cost, node: Node, asked: Option<u64>) -> Option<Plan> {
    let usable = 1.0 - node.headroom;
    let by_processor = node.cores / positive(cost.cores)?;
    let by_memory =
        cost.memory_mib.and_then(positive).map_or(f64::INFINITY, |mib| node.memory_gib * 1_024.0 / mib);
    let by_ramp = cost.most_per_core.map_or(f64::INFINITY, |most| most * node.cores);
    let per_node = (usable * by_processor.min(by_memory).min(by_ramp)).floor();
    let consults_per_node = (per_node >= 1.0).then_some(per_node as u64)?;
    let numbers = asked.map_or_else(|| USUAL.to_vec(), |one| vec![one]);
    let nodes = numbers.into_iter().map(|n| (n, n.div_ceil(consults_per_node))).collect();
    Some(Plan { cost, node, consults_per_node, nodes })
}

fn positive(value: f64) -> Option<f64> {
    (value > 0.0 && value.is_finite()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NODE: Node = Node { cores: 8.0, memory_gib: 16.0, headroom: 0.3 };

    #[test]
    fn nodes_are_as_many_as_their_scarcest_part_asks_for() {
        let cost = Cost { cores: 0.01, memory_mib: Some(1.0), most_per_core: None };
        let plan_of = |cost| plan(cost, NODE, Some(10_000)).unwrap();
        assert_eq!(plan_of(cost).consults_per_node, 560, "0.7 of 8 cores ÷ 0.01");
        assert_eq!(plan_of(cost).nodes, [(10_000, 18)]);
        let heavy = Cost { memory_mib: Some(100.0), ..cost };
        assert_eq!(plan_of(heavy).consults_per_node, 114, "0.7 of 16 GiB ÷ 100 MiB");
        let late = Cost { most_per_core: Some(50.0), ..cost };
        assert_eq!(plan_of(late).consults_per_node, 280, "0.7 of 8 × 50");
        assert_eq!(plan(cost, NODE, None).unwrap().nodes.len(), USUAL.len());
    }

    #[test]
    fn what_was_not_measured_is_not_planned() {
        let cost = |cores| Cost { cores, memory_mib: None, most_per_core: None };
        assert_eq!(plan(cost(0.0), NODE, None), None);
        assert_eq!(plan(cost(f64::NAN), NODE, None), None);
        assert_eq!(plan(cost(100.0), NODE, None), None, "a node cannot carry one");
    }

    proptest! {
        #[test]
        fn nodes_carry_what_is_asked_and_one_fewer_would_not(
            cores in 0.001..1.0, mib in 0.1..50.0, node in 1.0..128.0, headroom in 0.0..0.9, n in 1_u64..1_000_000
        ) {
            let cost = Cost { cores, memory_mib: Some(mib), most_per_core: None };
            let node = Node { cores: node, memory_gib: 4.0 * node, headroom };
            if let Some(plan) = plan(cost, node, Some(n)) {
                let [(_, nodes)] = plan.nodes[..] else { panic!("one number") };
                prop_assert!(nodes * plan.consults_per_node >= n);
                prop_assert!((nodes - 1) * plan.consults_per_node < n);
                prop_assert!(plan.consults_per_node as f64 * cores <= node.cores * (1.0 - headroom) + 1e-6);
            }
        }
    }
}
