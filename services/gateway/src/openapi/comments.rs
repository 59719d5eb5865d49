//! The comments of the protos, found by file and path.
use std::collections::HashMap;

use prost_reflect::DescriptorPool;

/// All leading comments.
pub struct Comments(HashMap<(String, Vec<i32>), String>);

impl Comments {
    /// Reads them from the source information that the compiler kept.
    pub fn of(pool: &DescriptorPool) -> Self {
        let mut comments = HashMap::new();
        for file in pool.files() {
            let Some(info) = &file.file_descriptor_proto().source_code_info else { continue };
            for location in &info.location {
                if let Some(text) = &location.leading_comments {
                    let lines: Vec<&str> =
                        text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
                    comments.insert((file.name().to_owned(), location.path.clone()), lines.join(" "));
                }
            }
        }
        Self(comments)
    }

    /// What an element's comment says; empty where it has none.
    pub fn about(&self, file: &str, path: &[i32]) -> String {
        self.0.get(&(file.to_owned(), path.to_vec())).cloned().unwrap_or_default()
    }
}
