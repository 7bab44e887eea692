//! Addresses in text: mail addresses and URLs, in one spelling, so that what the owner typed and what a
//! call holds can be compared whole.

use linkify::{LinkFinder, LinkKind};
use std::collections::BTreeSet;
use url::Url;

/// The most bytes of one text that are searched; longer ones are cut, and say so.
pub(crate) const SEARCHED: usize = 1024 * 1024;

/// Endings of file names that are no ending of a host name.
const FILES: [&str; 46] = [
    "aac", "avi", "bak", "bmp", "bz2", "cfg", "conf", "csv", "db", "doc", "docx", "epub", "eml",
    "exe", "flac", "gif", "gz", "heic", "htm", "html", "ics", "ini", "ipynb", "jpeg", "jpg",
    "json", "jsonl", "log", "markdown", "odp", "ods", "odt", "pdf", "png", "ppt", "pptx", "rtf",
    "svg", "tar", "tex", "toml", "tsv", "txt", "xls", "xlsx", "yaml",
];

/// A file's name without its ending, where it has one that is known.
pub(crate) fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, end)) if FILES.contains(&end.to_ascii_lowercase().as_str()) => stem,
        _ => name,
    }
}

/// An address in one spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Address {
    /// A mail address, in lower case.
    Mail(String),
    /// A URL without its scheme where that is http or https, and without `www.`.
    Url(String),
}

impl Address {
    /// The address that a whole text is, if it is one.
    pub(crate) fn whole(text: &str) -> Option<Self> {
        let text = text.trim_matches(' ');
        if text
            .chars()
            .any(|char| char.is_whitespace() || is_hidden(char))
        {
            return None;
        }
        if text.contains("://") {
            return Some(Address::Url(normal(text)?));
        }
        match finder().links(text).next() {
            Some(link) if link.as_str().len() == text.len() => Self::of(&link),
            // What hangs on to an address belongs to it: a fragment, a port, a query.
            Some(link) if link.start() == 0 && *link.kind() == LinkKind::Url => {
                Some(Address::Url(normal(text)?))
            }
            // `mailto:` and other schemes that are no link to a page.
            _ => Url::parse(text)
                .is_ok_and(|url| url.scheme().len() > 1)
                .then(|| normal(text).map(Address::Url))
                .flatten(),
        }
    }

    fn of(link: &linkify::Link<'_>) -> Option<Self> {
        match link.kind() {
            LinkKind::Email => Some(Address::Mail(
                // Letters of other scripts stay as they are: some of them become ASCII in lower case.
                link.as_str().trim_start_matches('\'').to_ascii_lowercase(),
            )),
            _ => {
                let text = link.as_str();
                let is_file = !text.contains("://")
                    && !text.contains('/')
                    && text
                        .rsplit('.')
                        .next()
                        .is_some_and(|end| FILES.contains(&end.to_lowercase().as_str()));
                if is_file {
                    None
                } else {
                    Some(Address::Url(normal(text)?))
                }
            }
        }
    }

    /// As it is shown.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Address::Mail(text) | Address::Url(text) => text,
        }
    }
}

fn finder() -> LinkFinder {
    let mut finder = LinkFinder::new();
    finder.url_must_have_scheme(false);
    finder
}

/// One spelling of a URL. Host and scheme are as browsers read them; path, query and fragment count.
fn normal(text: &str) -> Option<String> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| url.has_host() || text.contains(':') && !url.scheme().contains('.'))
        .or_else(|| Url::parse(&format!("https://{text}")).ok())?;
    let page = matches!(url.scheme(), "http" | "https");
    let mut out = String::new();
    if !page {
        out.push_str(url.as_str());
        return Some(out);
    }
    if !url.username().is_empty() || url.password().is_some() {
        // A name before the host is there to deceive: it is part of the address.
        out.push_str(url.username());
        if let Some(password) = url.password() {
            out.push(':');
            out.push_str(password);
        }
        out.push('@');
    }
    let host = url.host_str()?;
    out.push_str(host.strip_prefix("www.").unwrap_or(host));
    if let Some(port) = url.port() {
        out.push_str(&format!(":{port}"));
    }
    out.push_str(url.path().strip_suffix('/').unwrap_or(url.path()));
    if let Some(query) = url.query() {
        out.push('?');
        out.push_str(query);
    }
    if let Some(fragment) = url.fragment() {
        out.push('#');
        out.push_str(fragment);
    }
    Some(out)
}

/// An address in a text, and where it begins and ends, in bytes.
pub(crate) fn found(text: &str) -> Vec<(usize, usize, Address)> {
    finder()
        .links(text)
        .filter_map(|link| {
            // A quotation mark may begin a mail address, but hardly ever does.
            let quoted = link.as_str().len() - link.as_str().trim_start_matches('\'').len();
            Some((link.start() + quoted, link.end(), Address::of(&link)?))
        })
        .collect()
}

/// All addresses of a text, also those that are only seen without what is invisible in it.
pub(crate) fn addresses(text: &str) -> BTreeSet<Address> {
    let mut all: BTreeSet<Address> = found(text)
        .into_iter()
        .map(|(_, _, address)| address)
        .collect();
    let odd = |char| is_invisible(char) || ascii_of(char) != char;
    if text.contains(odd) {
        let plain: String = text
            .chars()
            .filter(|char| !is_invisible(*char))
            .map(ascii_of)
            .collect();
        all.extend(found(&plain).into_iter().map(|(_, _, address)| address));
    }
    // An address that takes its scheme from the page it stands on.
    for (at, _) in text.match_indices("//") {
        let begins = text[..at]
            .chars()
            .next_back()
            .is_none_or(|last| !(last.is_alphanumeric() || ":/".contains(last)));
        let rest = text[at + 2..]
            .split(|char: char| char.is_whitespace() || "\"'<>()".contains(char))
            .next();
        if begins && let Some(rest) = rest {
            all.extend(found(rest).into_iter().map(|(_, _, address)| address));
        }
    }
    all
}

/// True for what no address holds: controls, and what is not seen.
fn is_hidden(char: char) -> bool {
    char.is_control() || is_invisible(char)
}

/// Characters that take no place on a screen, or turn the direction of what follows.
pub(crate) fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The dots and signs that programs read as those of an address.
fn ascii_of(char: char) -> char {
    match char {
        '。' | '．' | '｡' => '.',
        '＠' | '﹫' => '@',
        '：' => ':',
        '／' => '/',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_spelling() {
        let whole = |text: &str| Address::whole(text).expect("an address");
        assert_eq!(whole("https://WWW.Example.com/a/"), whole("example.com/a"));
        assert_eq!(whole("Bob@Example.com"), whole("bob@example.COM"));
        assert_ne!(whole("example.com/a?x=1"), whole("example.com/a"));
        assert_ne!(whole("example.com#x"), whole("example.com"));
        assert_ne!(whole("https://a@example.com"), whole("https://example.com"));
        assert_ne!(whole("https://ехample.com"), whole("https://example.com"));
        assert_eq!(Address::whole("Bob"), None);
        assert_eq!(Address::whole("report.xlsx"), None);
        assert_eq!(Address::whole("notes for Bob"), None);
    }

    #[test]
    fn a_quoted_address_is_the_address() {
        let all = addresses("her address is 'eve@b.example'.");
        assert_eq!(
            all,
            BTreeSet::from([Address::Mail("eve@b.example".to_owned())])
        );
    }

    #[test]
    fn addresses_are_found_within_text() {
        let found = addresses(
            "See https://a.example/x, write to eve@b.example or visit www.c.example. Not report.pdf",
        );
        let all: Vec<&str> = found.iter().map(Address::as_str).collect();
        assert_eq!(all, ["eve@b.example", "a.example/x", "c.example"]);
    }
}
