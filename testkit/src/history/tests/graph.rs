use crate::history::graph::Graph;

fn graph(edges: &[(usize, usize)]) -> Graph {
    let mut graph = Graph::default();
    for &(from, to) in edges {
        graph.edge(from, to);
    }
    graph
}

#[test]
fn a_graph_without_a_way_back_has_no_cycle() {
    assert!(graph(&[(1, 2), (2, 3), (1, 3), (3, 4)]).cycles().is_empty());
    assert!(graph(&[(1, 1)]).cycles().is_empty());
}

#[test]
fn each_part_shows_one_short_cycle() {
    let mut cycles = graph(&[(1, 2), (2, 3), (3, 1), (2, 1), (3, 4), (5, 6), (6, 5)]).cycles();
    cycles.sort();
    assert_eq!(cycles, [vec![1, 2], vec![5, 6]]);
}

#[test]
fn a_long_chain_needs_no_deep_stack() {
    let mut edges: Vec<_> = (0..200_000).map(|n| (n, n + 1)).collect();
    assert!(graph(&edges).cycles().is_empty());
    edges.push((200_000, 0));
    assert_eq!(graph(&edges).cycles().len(), 1);
}
