//! Clusters that links connect, directly or through others: what complete linkage can take apart one by one.
//!
//! **Promises.** Links of different components have no cluster in common, so no merge in one changes another. Within a
//! component clusters keep their order, so keys compare as they do among all.
//!
//! **Why.** Components are merged on all threads, and each in lists and heaps that fit a cache.

use std::cmp::Reverse;

use super::link::Merge;
use super::roots::Roots;

/// Clusters that are linked with each other, and with no others.
#[derive(Debug)]
pub(super) struct Component {
    /// The keys of the clusters, ascending.
    pub(super) keys: Vec<u32>,
    /// Their links. The clusters are given by their places among the keys.
    pub(super) merges: Vec<Merge>,
}

/// The components of `n` clusters that have links, those with most of them first.
pub(super) fn components(n: usize, merges: Vec<Merge>) -> Vec<Component> {
    let roots = Roots::new(n);
    let mut degrees = vec![0u32; n];
    for merge in &merges {
        roots.unite(merge.first, merge.second);
        degrees[merge.first as usize] += 1;
        degrees[merge.second as usize] += 1;
    }
    let mut components: Vec<Component> = Vec::new();
    // For a root the number of its component, for every cluster its place in it.
    let mut numbers = vec![0u32; n];
    let mut places = vec![0u32; n];
    let mut n_merges: Vec<usize> = Vec::new();
    for key in (0..n as u32).filter(|&key| degrees[key as usize] > 0) {
        let own = roots.root(key);
        if own == key {
            numbers[key as usize] = components.len() as u32;
            components.push(Component { keys: Vec::new(), merges: Vec::new() });
            n_merges.push(0);
        }
        let number = numbers[own as usize] as usize;
        places[key as usize] = components[number].keys.len() as u32;
        components[number].keys.push(key);
        n_merges[number] += degrees[key as usize] as usize;
    }
    for (component, n_ends) in components.iter_mut().zip(n_merges) {
        component.merges.reserve_exact(n_ends / 2);
    }
    for Merge { cosine, first, second } in merges {
        let number = numbers[roots.root(first) as usize] as usize;
        let (first, second) = (places[first as usize], places[second as usize]);
        components[number].merges.push(Merge { cosine, first, second });
    }
    components.sort_by_key(|component| Reverse(component.merges.len()));
    components
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_linked_cluster_and_every_link_is_in_one_component_and_none_is_between_two(
            n in 1u32..40, pairs in proptest::collection::vec((any::<u32>(), any::<u32>()), 0..40),
        ) {
            let pairs = pairs.iter().map(|&(a, b)| (a % n, b % n)).filter(|(a, b)| a != b);
            let merges: Vec<Merge> =
                pairs.map(|(a, b)| Merge { cosine: 0.5, first: a.min(b), second: a.max(b) }).collect();
            let mut keys: Vec<u32> = merges.iter().flat_map(|merge| [merge.first, merge.second]).collect();
            keys.sort_unstable();
            keys.dedup();
            let mut links: Vec<(u32, u32)> = merges.iter().map(|merge| (merge.first, merge.second)).collect();
            links.sort_unstable();
            let components = components(n as usize, merges);
            let mut found_keys: Vec<u32> = Vec::new();
            let mut found_links: Vec<(u32, u32)> = Vec::new();
            for Component { keys, merges } in &components {
                prop_assert!(keys.is_sorted_by(|a, b| a < b));
                // as few links as a tree has, at least, so that it hangs together
                prop_assert!(merges.len() + 1 >= keys.len());
                found_keys.extend(keys);
                found_links.extend(merges.iter().map(|m| (keys[m.first as usize], keys[m.second as usize])));
            }
            found_keys.sort_unstable();
            found_links.sort_unstable();
            prop_assert_eq!(found_keys, keys);
            prop_assert_eq!(found_links, links);
            prop_assert!(components.is_sorted_by_key(|component| Reverse(component.merges.len())));
        }
    }
}
