//! Files that departments send in: what one is by its content, and whether that is what it is said to be. Pure: bytes in, an opinion out.
use std::io::Cursor;

use zip::ZipArchive;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// ISO 32000.
    Pdf,
    /// A text document of ISO/IEC 29500.
    Docx,
    /// A workbook of ISO/IEC 29500.
    Xlsx,
    /// GB/T 33190 版式文档.
    Ofd,
    /// A photo.
    Jpeg,
    /// A picture.
    Png,
}

/// Why a file is none that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFault {
    /// It has no bytes.
    Empty,
    /// Its content is none of the kinds.
    Unknown,
    /// It begins as an archive and is broken off or damaged.
    Broken,
    /// It is an Office file in the binary form of before 2007, or one that a password locks.
    Locked,
    /// It carries macros, which run on who opens it.
    Macros,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Pdf, Self::Docx, Self::Xlsx, Self::Ofd, Self::Jpeg, Self::Png];

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Ofd => "application/ofd",
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    /// Whether a declared media type is this one; one that says nothing is.
    pub fn is_declared_as(self, declared: &str) -> bool {
        let declared = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        matches!(declared.as_str(), "" | "application/octet-stream" | "application/x-www-form-urlencoded")
            || declared == self.media_type()
            || (self == Self::Jpeg && declared == "image/jpg")
            || (self == Self::Ofd && declared == "application/vnd.ofd")
    }

    /// Whether a file's name ends as this kind's do; a name without an ending says nothing.
    pub fn is_named_as(self, name: &str) -> bool {
        let Some((_, ending)) = name.trim().rsplit_once('.') else { return true };
        let ending = ending.to_ascii_lowercase();
        match self {
            Self::Pdf => ending == "pdf",
            Self::Docx => ending == "docx",
            Self::Xlsx => ending == "xlsx",
            Self::Ofd => ending == "ofd",
            Self::Jpeg => ending == "jpg" || ending == "jpeg",
            Self::Png => ending == "png",
        }
    }
}

/// Tells what a file is by its content alone.
pub fn tell(bytes: &[u8]) -> Result<Kind, FileFault> {
    const HEADS: [(&[u8], Kind); 3] = [
        (&[0xFF, 0xD8, 0xFF], Kind::Jpeg),
        (&[0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A], Kind::Png),
        (b"%PDF-", Kind::Pdf),
    ];
    if bytes.is_empty() {
        return Err(FileFault::Empty);
    }
    // The compound file of before 2007, which Office also wraps round what a password locks.
    if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) {
        return Err(FileFault::Locked);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return archived(bytes);
    }
    HEADS.iter().find(|(head, _)| bytes.starts_with(head)).map(|(_, kind)| *kind).ok_or(FileFault::Unknown)
}

// Only the archive's table is read: nothing is unpacked, so that no bomb goes off.
fn archived(bytes: &[u8]) -> Result<Kind, FileFault> {
    let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| FileFault::Broken)?;
    let names: Result<Vec<String>, _> =
        archive.file_names().map(|name| name.map(|name| name.to_ascii_lowercase())).collect();
    let names = names.map_err(|_| FileFault::Broken)?;
    let has = |name: &str| names.iter().any(|own| own == name);
    if names.iter().any(|name| name.ends_with("vbaproject.bin")) {
        return Err(FileFault::Macros);
    }
    let office = has("[content_types].xml");
    match () {
        () if office && has("word/document.xml") => Ok(Kind::Docx),
        () if office && has("xl/workbook.xml") => Ok(Kind::Xlsx),
        () if has("ofd.xml") => Ok(Kind::Ofd),
        () => Err(FileFault::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn archive(names: &[&str]) -> Vec<u8> {
        let mut file = ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            file.start_file(*name, SimpleFileOptions::default()).unwrap();
            file.write_all(b"<x/>").unwrap();
        }
        file.finish().unwrap().into_inner()
    }

    #[test]
    fn a_file_is_what_it_holds() {
        let docx = archive(&["[Content_Types].xml", "word/document.xml"]);
        let cases: [(Vec<u8>, Result<Kind, FileFault>); 12] = [
            (b"%PDF-1.7\n1 0 obj\n%%EOF\n".to_vec(), Ok(Kind::Pdf)),
            (docx.clone(), Ok(Kind::Docx)),
            (archive(&["[Content_Types].xml", "xl/workbook.xml"]), Ok(Kind::Xlsx)),
            (archive(&["OFD.xml", "Doc_0/Document.xml"]), Ok(Kind::Ofd)),
            (vec![0xFF, 0xD8, 0xFF, 0xE0], Ok(Kind::Jpeg)),
            (b"\x89PNG\r\n\x1a\n".to_vec(), Ok(Kind::Png)),
            (Vec::new(), Err(FileFault::Empty)),
            (b"MZ\x90\x00".to_vec(), Err(FileFault::Unknown)),
            (archive(&["word/document.xml"]), Err(FileFault::Unknown)),
            (docx[..docx.len() / 2].to_vec(), Err(FileFault::Broken)),
            (vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, 0], Err(FileFault::Locked)),
            (
                archive(&["[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"]),
                Err(FileFault::Macros),
            ),
        ];
        for (bytes, told) in cases {
            assert_eq!(tell(&bytes), told, "{:?}", bytes.get(..8));
        }
    }

    #[test]
    fn what_it_is_said_to_be_is_compared() {
        for kind in Kind::ALL {
            assert!(kind.is_declared_as(kind.media_type()) && kind.is_declared_as(" "));
            assert_eq!(kind == Kind::Pdf, kind.is_declared_as("Application/PDF; charset=x"));
            assert!(kind.is_named_as("方案"));
        }
        assert!(Kind::Jpeg.is_named_as("照片.JPEG") && Kind::Jpeg.is_declared_as("image/jpg"));
        assert!(!Kind::Pdf.is_named_as("方案.docx") && !Kind::Docx.is_named_as("方案.docx.exe"));
    }
}
