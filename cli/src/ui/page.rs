//! The files of the page. They are part of the binary, and the browser runs them as they are.

/// A file of the page.
#[derive(Debug)]
pub struct File {
    /// Its path below the page's.
    pub path: &'static str,
    /// Its type.
    pub content_type: &'static str,
    /// What is in it.
    pub content: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

macro_rules! file {
    ($path:literal, $content_type:ident, $file:literal) => {
        File {
            path: $path,
            content_type: $content_type,
            content: include_str!(concat!("page/", $file)),
        }
    };
}

/// All files.
pub const FILES: &[File] = &[
    file!("", HTML, "index.html"),
    file!("style.css", STYLE, "style.css"),
    file!("pools.css", STYLE, "pools.css"),
    file!("pods.css", STYLE, "pods.css"),
    file!("groups.css", STYLE, "groups.css"),
    file!("etcd.css", STYLE, "etcd.css"),
    file!("details.css", STYLE, "details.css"),
    file!("narrow.css", STYLE, "narrow.css"),
    file!("icon.svg", IMAGE, "icon.svg"),
    file!("app.js", SCRIPT, "app.js"),
    file!("feed.js", SCRIPT, "feed.js"),
    file!("dom.js", SCRIPT, "dom.js"),
    file!("focus.js", SCRIPT, "focus.js"),
    file!("time.js", SCRIPT, "time.js"),
    file!("state.js", SCRIPT, "state.js"),
    file!("pools.js", SCRIPT, "pools.js"),
    file!("grid.js", SCRIPT, "grid.js"),
    file!("ridge.js", SCRIPT, "ridge.js"),
    file!("pods.js", SCRIPT, "pods.js"),
    file!("groups.js", SCRIPT, "groups.js"),
    file!("timeline.js", SCRIPT, "timeline.js"),
    file!("etcd.js", SCRIPT, "etcd.js"),
    file!("details.js", SCRIPT, "details.js"),
];

#[cfg(test)]
mod tests {
    use super::FILES;

    #[test]
    fn every_file_that_the_page_links_is_there() {
        let index = FILES.iter().find(|file| file.path.is_empty()).unwrap();
        let links =
            index.content.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let files: Vec<&str> = links.filter(|link| !link.starts_with('#')).collect();
        assert!(files.len() > 1, "{files:?}");
        for linked in files {
            assert!(FILES.iter().any(|file| file.path == linked), "{linked}");
        }
    }
}
