//! Tables: cells that wrap, rows that stay whole where a page holds them, heads that stand again on each page.
use crate::{
    flow::{Flow, Style, base},
    lines::lines,
    model::Column,
    sheet::{BOTTOM, Ink, LEFT, RIGHT, TOP},
};

const CELL: Style = Style { size: 9_000, leading: 14_500, bold: false, ink: Ink::Black };
const HEAD: Style = Style { bold: true, ..CELL };
const ASIDE: i32 = 5_000;
const ABOVE: i32 = 3_500;
const HAIR: i32 = 500;

/// A table whose text is spelled and whose columns are measured.
pub struct Grid {
    // From the left edge to each column's, and the right edge at last.
    edges: Vec<i32>,
    to_the_right: Vec<bool>,
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    // Facts: no head, and the first column named.
    named: bool,
}

impl Grid {
    /// Names and values.
    pub fn facts(rows: Vec<Vec<String>>) -> Self {
        let edges = edges(&[24, 76]);
        Self { edges, to_the_right: vec![false; 2], heads: Vec::new(), rows, named: true }
    }

    /// A table with heads.
    pub fn table(columns: &[Column], heads: Vec<String>, rows: Vec<Vec<String>>) -> Self {
        let shares: Vec<u16> = columns.iter().map(|column| column.share).collect();
        let to_the_right = columns.iter().map(|column| column.to_the_right).collect();
        Self { edges: edges(&shares), to_the_right, heads, rows, named: false }
    }

    fn wrap(&self, flow: &Flow<'_>, cells: &[String], style: Style) -> Vec<Vec<String>> {
        let widths = self.edges.windows(2).map(|pair| (pair[1] - pair[0] - 2 * ASIDE).max(style.size));
        let empty = String::new();
        widths
            .enumerate()
            .map(|(column, width)| lines(flow.face, cells.get(column).unwrap_or(&empty), style.size, width))
            .collect()
    }
}

fn edges(shares: &[u16]) -> Vec<i32> {
    let all: i32 = shares.iter().map(|&share| i32::from(share)).sum::<i32>().max(1);
    let mut before = 0;
    let mut edges = vec![LEFT];
    for &share in shares {
        before += i32::from(share);
        edges.push(
            LEFT + i32::try_from(i64::from(RIGHT - LEFT) * i64::from(before) / i64::from(all))
                .unwrap_or_default(),
        );
    }
    edges
}

/// Sets a table.
pub fn set(flow: &mut Flow<'_>, grid: &Grid) {
    if grid.edges.len() < 2 {
        return;
    }
    let heads = grid.wrap(flow, &grid.heads, HEAD);
    let head_height = if grid.heads.is_empty() { 0 } else { tall(&heads) };
    // A head without a row below it says nothing.
    flow.room(head_height + 2 * CELL.leading + 2 * ABOVE);
    head(flow, grid, &heads);
    for cells in &grid.rows {
        let cells = grid.wrap(flow, cells, CELL);
        let mut from = 0;
        let all = count(&cells);
        while from < all {
            let fit = fitting(BOTTOM - flow.y);
            let whole = fitting(BOTTOM - TOP - head_height);
            // A row is kept whole where a fresh page holds it; a longer one is cut between lines.
            if fit == 0 || (from == 0 && fit < all && all <= whole) {
                if flow.y <= TOP + head_height && fit == 0 {
                    return;
                }
                flow.turn();
                head(flow, grid, &heads);
                continue;
            }
            let to = all.min(from + fit);
            row(flow, grid, &part(&cells, from, to), CELL);
            from = to;
        }
    }
    flow.y += 10_000;
}

fn fitting(height: i32) -> usize {
    usize::try_from((height - 2 * ABOVE) / CELL.leading).unwrap_or_default()
}

fn count(cells: &[Vec<String>]) -> usize {
    cells.iter().map(Vec::len).max().unwrap_or_default()
}

fn tall(cells: &[Vec<String>]) -> i32 {
    i32::try_from(count(cells)).unwrap_or_default() * CELL.leading + 2 * ABOVE
}

fn part(cells: &[Vec<String>], from: usize, to: usize) -> Vec<Vec<String>> {
    cells.iter().map(|lines| lines[from.min(lines.len())..to.min(lines.len())].to_vec()).collect()
}

fn head(flow: &mut Flow<'_>, grid: &Grid, heads: &[Vec<String>]) {
    if grid.heads.is_empty() {
        return;
    }
    flow.fill(LEFT, flow.y, RIGHT - LEFT, tall(heads), Ink::Shade);
    row(flow, grid, heads, HEAD);
}

fn row(flow: &mut Flow<'_>, grid: &Grid, cells: &[Vec<String>], style: Style) {
    let (top, height) = (flow.y, tall(cells));
    if grid.named {
        flow.fill(LEFT, top, grid.edges[1] - LEFT, height, Ink::Shade);
    }
    for (column, set) in cells.iter().enumerate() {
        let mut y = top + ABOVE + base(style);
        for line in set {
            let x = if grid.to_the_right[column] {
                grid.edges[column + 1] - ASIDE - flow.face.width(line, style.size)
            } else {
                grid.edges[column] + ASIDE
            };
            flow.text(x, y, line, if grid.named && column == 0 { HEAD } else { style });
            y += style.leading;
        }
    }
    for y in [top, top + height] {
        flow.fill(LEFT, y, RIGHT - LEFT, HAIR, Ink::Line);
    }
    for &x in &grid.edges {
        flow.fill(x, top, HAIR, height + HAIR, Ink::Line);
    }
    flow.y = top + height;
}
