//! What a workbook consists of: pages of one table each, with charts over its columns.
use jiff::civil::DateTime;

use crate::model::{Block, Chart, Column, Series, decimal};

/// A workbook.
#[derive(Clone, Debug)]
pub struct Workbook {
    /// Its title, for the file's properties.
    pub title: String,
    /// Who issues it.
    pub author: String,
    /// When it was made, +08:00.
    pub created: DateTime,
    /// Its sheets.
    pub pages: Vec<Page>,
}

/// A sheet: a title, a remark, a table, and charts below it.
#[derive(Clone, Debug)]
pub struct Page {
    /// The sheet's name: at most 31 characters, none of `[]:*?/\`; others are left out.
    pub name: String,
    /// The title above the table.
    pub title: String,
    /// What stands below the title; empty for nothing.
    pub remark: String,
    /// The columns; their shares are widths in characters.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Charts of the table's columns.
    pub plots: Vec<Plot>,
}

/// A cell.
#[derive(Clone, Debug)]
pub enum Cell {
    /// A text, never a formula or a number.
    Text(String),
    /// A number in units of its last decimal place, and how many it has.
    Number(i64, u8),
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A whole number.
    pub fn count(number: i32) -> Self {
        Self::Number(number.into(), 0)
    }
}

/// A chart of a table's columns, a group a row.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// What is counted.
    pub unit: String,
    /// The column of the categories.
    pub categories: usize,
    /// The columns of the bars.
    pub series: Vec<usize>,
    /// How many of the rows, from the first.
    pub rows: usize,
}

impl Page {
    /// The table as a part of a document.
    pub fn table(&self) -> Block {
        let rows = self.rows.iter().map(|row| row.iter().map(|cell| said(Some(cell))).collect());
        Block::Table { columns: self.columns.clone(), rows: rows.collect() }
    }

    /// The charts as parts of a document.
    pub fn charts(&self) -> Vec<Block> {
        self.plots.iter().map(|plot| Block::Chart(self.chart(plot))).collect()
    }

    /// The chart that a plot draws of this table; cells that are no numbers count as nothing.
    pub(crate) fn chart(&self, plot: &Plot) -> Chart {
        let rows = || self.rows.iter().take(plot.rows);
        let places = rows().flat_map(|row| plot.series.iter().filter_map(|&at| row.get(at)));
        let places =
            places.filter_map(|cell| if let Cell::Number(_, places) = cell { Some(*places) } else { None });
        let places = places.max().unwrap_or_default();
        let value = |cell: Option<&Cell>| match cell {
            Some(Cell::Number(value, own)) => {
                value.saturating_mul(10_i64.pow(u32::from(places.saturating_sub(*own).min(9))))
            }
            _ => 0,
        };
        let series = plot.series.iter().map(|&column| Series {
            name: self.columns.get(column).map(|column| column.title.clone()).unwrap_or_default(),
            values: rows().map(|row| value(row.get(column))).collect(),
        });
        Chart {
            title: plot.title.clone(),
            unit: plot.unit.clone(),
            categories: rows().map(|row| said(row.get(plot.categories))).collect(),
            series: series.collect(),
            places,
        }
    }
}

fn said(cell: Option<&Cell>) -> String {
    match cell {
        Some(Cell::Text(text)) => text.clone(),
        Some(Cell::Number(value, places)) => decimal(*value, *places),
        None => String::new(),
    }
}
