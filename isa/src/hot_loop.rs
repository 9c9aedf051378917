//! The loop in which a kernel spends its time.

use crate::machine_code::{Instruction, Line};
use std::collections::{BTreeMap, BTreeSet};

/// How often a loop is taken to run: enough that a loop inside another counts for more than what
/// stands around it, unless that is much longer.
const TRIPS: f64 = 8.0;

/// A stretch of instructions that control enters at its start and leaves at its end.
struct Block {
    /// Places in the code.
    lines: std::ops::Range<usize>,
    next: Vec<usize>,
}

/// The lines of the hottest loop, by their place in the code, `None` where the code has no loop.
///
/// That is the loop with the most instructions that `counts` (the most of any kind, where no loop
/// has such), outside of the loops inside it, each level of nesting weighing eight times more.
pub fn find(code: &[Line], counts: impl Fn(&Instruction) -> bool) -> Option<BTreeSet<usize>> {
    let blocks = blocks(code);
    let loops = loops(&blocks);
    let hottest = |counts: &dyn Fn(&Instruction) -> bool| {
        let heat = |(head, body): (&usize, &BTreeSet<usize>)| {
            let inside = |other: &usize| other != head && body.contains(other);
            let own = body
                .iter()
                .filter(|block| !loops.iter().any(|(other, inner)| inside(other) && inner.contains(block)));
            let work =
                own.flat_map(|block| instructions(code, &blocks[*block])).filter(|i| counts(i)).count();
            let depth = loops.values().filter(|around| around.contains(head)).count();
            work as f64 * TRIPS.powi(depth as i32)
        };
        let warm = loops.iter().map(|each| (heat(each), each.1)).filter(|(heat, _)| *heat > 0.0);
        warm.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, body)| body)
    };
    let body = hottest(&counts).or_else(|| hottest(&|_| true))?;
    Some(body.iter().flat_map(|block| blocks[*block].lines.clone()).collect())
}

fn instructions<'a>(code: &'a [Line], block: &Block) -> impl Iterator<Item = &'a Instruction> {
    code[block.lines.clone()].iter().filter_map(|line| match line {
        Line::Instruction(instruction) => Some(instruction),
        Line::Label(_) => None,
    })
}

/// The code cut into blocks, and what may follow each.
fn blocks(code: &[Line]) -> Vec<Block> {
    let mut starts = vec![0];
    for (at, line) in code.iter().enumerate() {
        match line {
            Line::Label(_) => starts.push(at),
            Line::Instruction(i) if i.target().is_some() || !i.falls_through() => starts.push(at + 1),
            Line::Instruction(_) => {}
        }
    }
    starts.push(code.len());
    starts.dedup();
    starts.retain(|at| *at <= code.len());
    let mut blocks: Vec<Block> =
        starts.windows(2).map(|pair| Block { lines: pair[0]..pair[1], next: Vec::new() }).collect();
    let labels: BTreeMap<&str, usize> = blocks
        .iter()
        .enumerate()
        .filter_map(|(number, block)| match &code[block.lines.start] {
            Line::Label(label) => Some((label.as_str(), number)),
            Line::Instruction(_) => None,
        })
        .collect();
    let last = blocks.len().saturating_sub(1);
    for (number, block) in blocks.iter_mut().enumerate() {
        let (target, falls) = match &code[block.lines.end - 1] {
            Line::Instruction(end) => (end.target(), end.falls_through()),
            Line::Label(_) => (None, true),
        };
        block.next.extend(target.and_then(|label| labels.get(label)));
        if falls && number < last {
            block.next.push(number + 1);
        }
    }
    blocks
}

/// The loops: the block at the head of each, and all its blocks.
///
/// A branch back closes a loop; to it belongs whatever leads to that branch without passing the head.
/// Drivers write a loop's head before its body.
fn loops(blocks: &[Block]) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut before = vec![Vec::new(); blocks.len()];
    for (number, block) in blocks.iter().enumerate() {
        for next in &block.next {
            before[*next].push(number);
        }
    }
    let mut loops: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (tail, block) in blocks.iter().enumerate() {
        for &head in block.next.iter().filter(|head| **head <= tail) {
            let body = loops.entry(head).or_insert_with(|| BTreeSet::from([head]));
            let mut open = vec![tail];
            while let Some(number) = open.pop() {
                if number > head && body.insert(number) {
                    open.extend(&before[number]);
                }
            }
        }
    }
    loops
}
