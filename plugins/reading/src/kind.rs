//! What kind of document it is: by its content first, then by its name, then by what was declared.

use crate::archive::Archive;
use crate::unreadable::{Error, Unreadable};
use crate::{Source, decode};

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Portable Document Format, ISO 32000.
    Pdf,
    /// WordprocessingML, ECMA-376.
    Docx,
    /// PresentationML, ECMA-376.
    Pptx,
    /// SpreadsheetML, ECMA-376.
    Xlsx,
    /// HTML and XHTML.
    Html,
    /// CommonMark with tables.
    Markdown,
    /// Values separated by commas, semicolons or tabs, RFC 4180.
    Csv,
    /// JSON, RFC 8259, and lines of it.
    Json,
    /// Anything else that is text.
    Text,
}

impl Kind {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pdf => "PDF",
            Self::Docx => "DOCX",
            Self::Pptx => "PPTX",
            Self::Xlsx => "XLSX",
            Self::Html => "HTML",
            Self::Markdown => "Markdown",
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::Text => "plain text",
        }
    }

    fn of_name(filename: &str) -> Option<Self> {
        let (_, extension) = filename.rsplit_once('.')?;
        Some(match extension.to_ascii_lowercase().as_str() {
            "pdf" => Self::Pdf,
            "docx" | "docm" | "dotx" => Self::Docx,
            "pptx" | "pptm" | "ppsx" | "potx" => Self::Pptx,
            "xlsx" | "xlsm" | "xltx" => Self::Xlsx,
            "html" | "htm" | "xhtml" | "xht" => Self::Html,
            "md" | "markdown" | "mkd" | "mdown" => Self::Markdown,
            "csv" | "tsv" | "tab" => Self::Csv,
            "json" | "jsonl" | "ndjson" | "geojson" => Self::Json,
            "txt" | "text" | "log" | "rst" | "adoc" | "asc" | "tex" | "xml" | "yaml" | "yml" | "toml"
            | "ini" => Self::Text,
            _ => return None,
        })
    }

    fn of_media_type(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Some(match essence.as_str() {
            "application/pdf" => Self::Pdf,
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => Self::Docx,
            "application/vnd.openxmlformats-officedocument.presentationml.presentation" => Self::Pptx,
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => Self::Xlsx,
            "text/html" | "application/xhtml+xml" => Self::Html,
            "text/markdown" => Self::Markdown,
            "text/csv" | "text/tab-separated-values" => Self::Csv,
            "application/json" | "application/x-ndjson" | "application/jsonl" => Self::Json,
            _ => return None,
        })
    }

    /// Whether such files are no text, so that text under such a name is something else.
    fn is_binary(self) -> bool {
        matches!(self, Self::Pdf | Self::Docx | Self::Pptx | Self::Xlsx)
    }
}

/// What is looked at of the beginning of a file.
const HEAD: usize = 64 << 10;

/// How files begin that are known and not read.
const OTHERS: [(&[u8], &str); 18] = [
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"II*\0", "an image"),
    (b"MM\0*", "an image"),
    (b"BM", "an image"),
    (b"RIFF", "audio, video or an image"),
    (b"ID3", "audio"),
    (b"OggS", "audio or video"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\x1f\x8b", "a compressed file"),
    (b"BZh", "a compressed file"),
    (b"\xfd7zXZ", "a compressed file"),
    (b"7z\xbc\xaf", "an archive"),
    (b"Rar!", "an archive"),
    (b"{\\rtf", "RTF: save it as DOCX"),
];

pub(crate) fn of(source: &dyn Source, filename: &str, media_type: Option<&str>) -> Result<Kind, Error> {
    if source.is_empty() {
        return Err(Unreadable::Empty.into());
    }
    let head = decode::head(source, HEAD)?;
    let named = Kind::of_name(filename);
    let declared = named.or_else(|| media_type.and_then(Kind::of_media_type));
    if head.iter().all(|byte| matches!(byte, 0 | b' ' | b'\t' | b'\r' | b'\n')) && source.len() <= HEAD as u64
    {
        return Err(Unreadable::NoText("").into());
    }
    // ISO 32000-1, annex H: readers take the header anywhere in the first 1,024 bytes.
    if memchr::memmem::find(&head[..head.len().min(1_024)], b"%PDF-").is_some() {
        return Ok(Kind::Pdf);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return office(source, declared);
    }
    if head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Err(compound(source, declared)?.into());
    }
    let is_text = decode::is_text(&head);
    for (magic, what) in OTHERS {
        // Two letters alone may begin a text.
        if head.starts_with(magic) && (magic.len() > 3 || !is_text) {
            return Err(Unreadable::Unsupported(what).into());
        }
    }
    if let Some(expected) = declared.filter(|kind| kind.is_binary()) {
        return Err(match named {
            Some(_) => Unreadable::NotItsName { expected: expected.name() },
            None => Unreadable::Damaged(format!("it does not begin as {} does", expected.name())),
        }
        .into());
    }
    if !is_text {
        return Err(Unreadable::Unsupported("no text and of no known kind").into());
    }
    Ok(text(&head, declared))
}

/// A text that begins as a page of HTML does is one, whatever its name; otherwise the name decides.
fn text(head: &[u8], declared: Option<Kind>) -> Kind {
    let (encoding, _) = decode::encoding(head, None);
    let (head, _) = encoding.decode_with_bom_removal(&head[..head.len().min(4_096)]);
    let begin = head.trim_start().get(..32).unwrap_or(head.trim_start()).to_ascii_lowercase();
    let is_page = begin.starts_with("<!doctype html") || begin.starts_with("<html");
    match declared {
        Some(kind) if !is_page || kind == Kind::Markdown => kind,
        None if !is_page && (begin.starts_with("{\"") || begin.starts_with("[{")) => Kind::Json,
        _ if is_page => Kind::Html,
        _ => Kind::Text,
    }
}

/// Which document an archive is, by the part that each must have.
fn office(source: &dyn Source, declared: Option<Kind>) -> Result<Kind, Error> {
    let archive = Archive::open(source).map_err(|error| match (error, declared) {
        // Its directory is at the end.
        (Error::Unreadable(Unreadable::Damaged(_)), Some(kind)) if kind.is_binary() => {
            Unreadable::Truncated("the directory at its end cannot be read").into()
        }
        (error, _) => error,
    })?;
    for (part, kind) in [
        ("word/document.xml", Kind::Docx),
        ("ppt/presentation.xml", Kind::Pptx),
        ("xl/workbook.xml", Kind::Xlsx),
    ] {
        if archive.has(part) {
            return Ok(kind);
        }
    }
    Err(match declared.filter(|kind| kind.is_binary()) {
        Some(expected) => Unreadable::NotItsName { expected: expected.name() },
        None if archive.has("META-INF/manifest.xml") => {
            Unreadable::Unsupported("an OpenDocument file: save it as DOCX")
        }
        None => Unreadable::Unsupported("an archive"),
    }
    .into())
}

/// Compound files ([MS-CFB]) are the Office files of before 2007, and the newer ones where they are encrypted
/// ([MS-OFFCRYPTO]): then one of its streams is named so.
fn compound(source: &dyn Source, declared: Option<Kind>) -> Result<Unreadable, Error> {
    let wide: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut piece = vec![0; HEAD];
    let (mut offset, mut carried) = (0, 0);
    loop {
        let length = source.read_at(offset, &mut piece[carried..])?;
        if memchr::memmem::find(&piece[..carried + length], &wide).is_some() {
            return Ok(Unreadable::Encrypted);
        }
        if length == 0 {
            break;
        }
        offset += length as u64;
        let kept = (carried + length).min(wide.len());
        piece.copy_within(carried + length - kept..carried + length, 0);
        carried = kept;
    }
    Ok(match declared {
        Some(kind) if kind.is_binary() && kind != Kind::Pdf => {
            Unreadable::NotItsName { expected: kind.name() }
        }
        _ => Unreadable::Unsupported("an Office file of before 2007: save it as DOCX, PPTX or XLSX"),
    })
}
