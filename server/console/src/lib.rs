//! The pages of the console, held in the program: plain files of `pages/`, which need nothing but a browser.

/// A file as it is given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    pub name: &'static str,
    pub media_type: &'static str,
    pub bytes: &'static [u8],
}

macro_rules! files {
    ($($name:literal $media_type:literal),* $(,)?) => {
        [$(File { name: $name, media_type: $media_type, bytes: include_bytes!(concat!("../pages/", $name)) }),*]
    };
}

/// Every file.
pub const FILES: &[File] = &files![
    "walk.html" "text/html; charset=utf-8",
    "walk.js" "text/javascript; charset=utf-8",
    "door.js" "text/javascript; charset=utf-8",
    "forms.js" "text/javascript; charset=utf-8",
    "home.js" "text/javascript; charset=utf-8",
    "html.js" "text/javascript; charset=utf-8",
    "list.js" "text/javascript; charset=utf-8",
    "map.js" "text/javascript; charset=utf-8",
    "more.js" "text/javascript; charset=utf-8",
    "outbox.js" "text/javascript; charset=utf-8",
    "store.js" "text/javascript; charset=utf-8",
    "walk-worker.js" "text/javascript; charset=utf-8",
    "walk.css" "text/css; charset=utf-8",
    "walk.webmanifest" "application/manifest+json",
    "icon.svg" "image/svg+xml",
    "icon-192.png" "image/png",
    "icon-512.png" "image/png",
    "turfs.html" "text/html; charset=utf-8",
    "turfs.js" "text/javascript; charset=utf-8",
    "turfmap.js" "text/javascript; charset=utf-8",
    "turfs.css" "text/css; charset=utf-8",
];

/// The file of a name.
pub fn file(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_of_the_folder_is_given_out() {
        let folder =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/pages")).expect("the folder is there");
        let mut names: Vec<String> =
            folder.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        let mut known: Vec<&str> = FILES.iter().map(|file| file.name).collect();
        known.sort_unstable();
        assert_eq!(names, known);
        assert!(file("../Cargo.toml").is_none());
    }
}
