//! How much memory may be used, and who says so.
//!
//! Reads limits only; what is in use is the sampler's business.

use crate::domain::memory::{Asked, Budget, Scope, There};
use crate::domain::units::Bytes;
use crate::host::memory::cgroup::{self, Limit, MemoryCgroup, Roots};
use crate::host::memory::machine;

/// A budget together with where the memory behind it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    pub budget: Budget,
    /// Whose memory is held against it.
    pub scope: Scope,
    /// Our cgroup and the limit above us; `None` = the machine's memory is what there is.
    pub container: Option<(MemoryCgroup, Limit)>,
}

/// The budget, whose memory is held against it, and where memory is counted.
///
/// What there is = the smallest cgroup limit above us, else the machine's memory. A smaller number of the operator, else
/// of the profile, is taken instead; a larger one is not, and the budget then names the container or the machine as its
/// source, for theirs is the number that counts.
pub fn survey(roots: &Roots, operator: Option<&Asked>, profile: Option<Bytes>) -> Survey {
    let total = machine::total(roots);
    let container = cgroup::find(roots).and_then(|own| own.limit(total).map(|limit| (own, limit)));
    let (place, scope) = match &container {
        Some((_, limit)) => ((limit.bytes, There::Container(limit.file.clone())), Scope::Container),
        None => ((total, There::Machine), Scope::Machine),
    };
    let budget = Budget::new(place, operator.cloned(), profile);
    let scope = if budget.bytes < budget.available { Scope::Own } else { scope };
    Survey { budget, scope, container }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::memory::BudgetSource;
    use crate::host::memory::cgroup::tests::{Tree, v2_with_a_limited_ancestor};

    #[test]
    fn the_limit_of_an_ancestor_is_the_budget_and_its_file_is_named() {
        let tree = v2_with_a_limited_ancestor();
        let Survey { budget, scope, .. } = survey(&tree.roots(), None, None);
        assert_eq!(scope, Scope::Container);
        assert_eq!((budget.bytes, budget.available), (Bytes::mib(2048), Bytes::mib(2048)));
        assert_eq!(budget.source, BudgetSource::Cgroup(tree.path("sys/fs/cgroup/box/memory.max")));
    }

    #[test]
    fn without_a_limit_the_machine_is_the_budget() {
        let tree = Tree::new(24_000);
        let Survey { budget, scope, .. } = survey(&tree.roots(), None, None);
        assert_eq!((budget.bytes, budget.source, scope), (Bytes::mib(24_000), BudgetSource::Machine, Scope::Machine));
    }

    #[test]
    fn the_operator_wins_over_the_profile_and_both_only_downwards() {
        let tree = v2_with_a_limited_ancestor();
        let ask = |operator: Option<u64>, profile: Option<u64>| {
            let operator = operator.map(|mb| Asked { bytes: (mb > 0).then(|| Bytes::mib(mb)), by: "--budget".to_owned() });
            let Survey { budget, scope, .. } = survey(&tree.roots(), operator.as_ref(), profile.map(Bytes::mib));
            assert_eq!(budget.available, Bytes::mib(2048));
            (budget.bytes, budget.source, scope)
        };
        assert_eq!(ask(Some(512), Some(1024)), (Bytes::mib(512), BudgetSource::Operator, Scope::Own));
        assert_eq!(ask(None, Some(1024)), (Bytes::mib(1024), BudgetSource::Profile, Scope::Own));
        let file = BudgetSource::Cgroup(tree.path("sys/fs/cgroup/box/memory.max"));
        assert_eq!(
            ask(Some(4096), Some(1024)),
            (Bytes::mib(2048), file.clone(), Scope::Container),
            "capped, and not called the operator's"
        );
        assert_eq!(ask(Some(2048), None), (Bytes::mib(2048), file.clone(), Scope::Container));
        assert_eq!(ask(Some(0), Some(1024)), (Bytes::mib(2048), file, Scope::Container), "all there is, whatever the profile says");
    }
}
