//! Tables: cells that wrap, rows that stay whole where a page holds them, heads that stand again on each page.
use crate::{
    flow::{Flow, base},
    layout::{Layout, Style},
    lines::lines,
    model::Column,
    sheet::Ink,
};

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
    cell: Style,
    head: Style,
}

impl Grid {
    /// Names and values.
    pub fn facts(layout: &Layout, rows: Vec<Vec<String>>) -> Self {
        Self::of(layout, &[24, 76], vec![false; 2], Vec::new(), rows)
    }

    /// A table with heads.
    pub fn table(layout: &Layout, columns: &[Column], heads: Vec<String>, rows: Vec<Vec<String>>) -> Self {
        let shares: Vec<u16> = columns.iter().map(|column| column.share).collect();
        let to_the_right = columns.iter().map(|column| column.to_the_right).collect();
        Self { named: false, ..Self::of(layout, &shares, to_the_right, heads, rows) }
    }

    fn of(
        layout: &Layout,
        shares: &[u16],
        to_the_right: Vec<bool>,
        heads: Vec<String>,
        rows: Vec<Vec<String>>,
    ) -> Self {
        let cell = layout.cell;
        let head = Style { bold: true, ..cell };
        Self { edges: edges(layout, shares), to_the_right, heads, rows, named: true, cell, head }
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

fn edges(layout: &Layout, shares: &[u16]) -> Vec<i32> {
    let all: i32 = shares.iter().map(|&share| i32::from(share)).sum::<i32>().max(1);
    let mut before = 0;
    let mut edges = vec![layout.left];
    for &share in shares {
        before += i32::from(share);
        edges.push(
            layout.left
                + i32::try_from(i64::from(layout.width()) * i64::from(before) / i64::from(all))
                    .unwrap_or_default(),
        );
    }
    edges
}

/// How high a table is that is kept whole on a page; none where it is longer than half of one, and may be divided.
pub fn whole(flow: &Flow<'_>, grid: &Grid) -> Option<i32> {
    let most = (flow.layout.bottom - flow.layout.top) / 2;
    if grid.edges.len() < 2 || grid.rows.len() > 20 {
        return None;
    }
    let heads =
        if grid.heads.is_empty() { 0 } else { tall(&grid.wrap(flow, &grid.heads, grid.head), grid.cell) };
    let rows: i32 = grid.rows.iter().map(|cells| tall(&grid.wrap(flow, cells, grid.cell), grid.cell)).sum();
    let height = heads.saturating_add(rows).saturating_add(10_000);
    (height <= most).then_some(height)
}

/// Sets a table.
pub fn set(flow: &mut Flow<'_>, grid: &Grid) {
    if grid.edges.len() < 2 {
        return;
    }
    let (layout, cell) = (flow.layout, grid.cell);
    let heads = grid.wrap(flow, &grid.heads, grid.head);
    let head_height = if grid.heads.is_empty() { 0 } else { tall(&heads, cell) };
    // A head without a row below it says nothing.
    flow.room(whole(flow, grid).unwrap_or(head_height + 2 * cell.leading + 2 * ABOVE));
    head(flow, grid, &heads);
    for cells in &grid.rows {
        let cells = grid.wrap(flow, cells, cell);
        let mut from = 0;
        let all = count(&cells);
        while from < all {
            let fit = fitting(layout.bottom - flow.y, cell);
            let whole = fitting(layout.bottom - layout.top - head_height, cell);
            // A row is kept whole where a fresh page holds it; a longer one is cut between lines.
            if fit == 0 || (from == 0 && fit < all && all <= whole) {
                if flow.y <= layout.top + head_height && fit == 0 {
                    return;
                }
                flow.turn();
                head(flow, grid, &heads);
                continue;
            }
            let to = all.min(from + fit);
            row(flow, grid, &part(&cells, from, to), cell);
            from = to;
        }
    }
    flow.y += 10_000;
}

fn fitting(height: i32, cell: Style) -> usize {
    usize::try_from((height - 2 * ABOVE) / cell.leading).unwrap_or_default()
}

fn count(cells: &[Vec<String>]) -> usize {
    cells.iter().map(Vec::len).max().unwrap_or_default()
}

fn tall(cells: &[Vec<String>], cell: Style) -> i32 {
    i32::try_from(count(cells)).unwrap_or_default() * cell.leading + 2 * ABOVE
}

fn part(cells: &[Vec<String>], from: usize, to: usize) -> Vec<Vec<String>> {
    cells.iter().map(|lines| lines[from.min(lines.len())..to.min(lines.len())].to_vec()).collect()
}

fn head(flow: &mut Flow<'_>, grid: &Grid, heads: &[Vec<String>]) {
    if grid.heads.is_empty() {
        return;
    }
    flow.fill(flow.layout.left, flow.y, flow.layout.width(), tall(heads, grid.cell), Ink::Shade);
    row(flow, grid, heads, grid.head);
}

fn row(flow: &mut Flow<'_>, grid: &Grid, cells: &[Vec<String>], style: Style) {
    let (top, height) = (flow.y, tall(cells, grid.cell));
    if grid.named {
        flow.fill(grid.edges[0], top, grid.edges[1] - grid.edges[0], height, Ink::Shade);
    }
    for (column, set) in cells.iter().enumerate() {
        let mut y = top + ABOVE + base(style);
        for line in set {
            let x = if grid.to_the_right[column] {
                grid.edges[column + 1] - ASIDE - flow.face.width(line, style.size)
            } else {
                grid.edges[column] + ASIDE
            };
            flow.text(x, y, line, if grid.named && column == 0 { grid.head } else { style });
            y += style.leading;
        }
    }
    for y in [top, top + height] {
        flow.fill(flow.layout.left, y, flow.layout.width(), HAIR, Ink::Line);
    }
    for &x in &grid.edges {
        flow.fill(x, top, HAIR, height + HAIR, Ink::Line);
    }
    flow.y = top + height;
}
