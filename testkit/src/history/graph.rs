//! A small search for cycles: strongly connected parts, and a short cycle through each.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Who depends on whom, by number.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    edges: BTreeMap<usize, BTreeSet<usize>>,
}

impl Graph {
    /// `to` depends on `from`; a node's dependence on itself is none.
    pub(crate) fn edge(&mut self, from: usize, to: usize) {
        if from != to {
            self.edges.entry(from).or_default().insert(to);
        }
    }

    /// One short cycle through each strongly connected part of more than one node.
    pub(crate) fn cycles(&self) -> Vec<Vec<usize>> {
        let parts = self.parts();
        let mut firsts: BTreeMap<usize, usize> = BTreeMap::new();
        let mut sizes: HashMap<usize, usize> = HashMap::new();
        for (&node, &part) in &parts {
            firsts.entry(part).or_insert(node);
            *sizes.entry(part).or_default() += 1;
        }
        firsts
            .into_iter()
            .filter(|(part, _)| sizes.get(part).is_some_and(|&size| size > 1))
            .filter_map(|(_, node)| self.cycle_through(node))
            .collect()
    }

    fn next(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.edges.get(&node).into_iter().flatten().copied()
    }

    /// The part of each node: two are in one part if each leads to the other. Two passes
    /// (Kosaraju), with a stack of its own: histories are longer than the thread's stack.
    fn parts(&self) -> BTreeMap<usize, usize> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for &root in self.edges.keys() {
            if !seen.insert(root) {
                continue;
            }
            let mut stack = vec![(root, self.next(root).collect::<Vec<_>>())];
            while let Some((node, rest)) = stack.last_mut() {
                let node = *node;
                match rest.pop() {
                    Some(next) if seen.insert(next) => {
                        stack.push((next, self.next(next).collect()));
                    }
                    Some(_) => {}
                    None => {
                        order.push(node);
                        stack.pop();
                    }
                }
            }
        }
        let mut back: HashMap<usize, Vec<usize>> = HashMap::new();
        for (&from, tos) in &self.edges {
            for &to in tos {
                back.entry(to).or_default().push(from);
            }
        }
        let mut parts = BTreeMap::new();
        for &root in order.iter().rev() {
            let mut stack = vec![root];
            while let Some(node) = stack.pop() {
                if parts.contains_key(&node) {
                    continue;
                }
                parts.insert(node, root);
                stack.extend(back.get(&node).into_iter().flatten());
            }
        }
        parts
    }

    /// The shortest way from `start` back to itself.
    fn cycle_through(&self, start: usize) -> Option<Vec<usize>> {
        let mut came: HashMap<usize, usize> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for next in self.next(node) {
                if next == start {
                    let mut cycle = vec![node];
                    let mut at = node;
                    while at != start {
                        at = *came.get(&at)?;
                        cycle.push(at);
                    }
                    cycle.reverse();
                    return Some(cycle);
                }
                came.entry(next).or_insert_with(|| {
                    queue.push_back(next);
                    node
                });
            }
        }
        None
    }
}
