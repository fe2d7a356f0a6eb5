//! How wide texts are, so that they fit where they are put.

use ttf_parser::Face;

use crate::Error;

pub(crate) const REGULAR: &[u8] = include_bytes!("../fonts/OpenSans-Regular.ttf");
pub(crate) const BOLD: &[u8] = include_bytes!("../fonts/OpenSans-Bold.ttf");

/// The two cuts of the font.
pub(crate) struct Fonts {
    faces: [Face<'static>; 2],
}

impl Fonts {
    pub fn read() -> Result<Fonts, Error> {
        let face = |bytes| Face::parse(bytes, 0).map_err(|_| Error::Fonts);
        Ok(Fonts { faces: [face(REGULAR)?, face(BOLD)?] })
    }

    /// Width in points. A letter that the font lacks is as wide as its box for unknown ones.
    pub fn width(&self, text: &str, size: f32, bold: bool) -> f32 {
        let face = &self.faces[usize::from(bold)];
        let of = |letter| {
            let glyph = face.glyph_index(letter).unwrap_or_default();
            f32::from(face.glyph_hor_advance(glyph).unwrap_or(0))
        };
        text.chars().map(of).sum::<f32>() * size / f32::from(face.units_per_em())
    }

    /// The text, or as much of it as fits with an ellipsis.
    pub fn fitted(&self, text: &str, size: f32, bold: bool, most: f32) -> String {
        if self.width(text, size, bold) <= most {
            return text.to_string();
        }
        let mut short: String = text.to_string();
        while !short.is_empty() && self.width(&format!("{short}…"), size, bold) > most {
            short.pop();
        }
        format!("{}…", short.trim_end())
    }

    /// The text in lines that fit. A word that is wider than a line is cut.
    pub fn lines(&self, text: &str, size: f32, bold: bool, most: f32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for paragraph in text.lines() {
            let mut line = String::new();
            for word in paragraph.split_whitespace() {
                let longer = if line.is_empty() { word.to_string() } else { format!("{line} {word}") };
                if self.width(&longer, size, bold) <= most || line.is_empty() {
                    line = longer;
                } else {
                    lines.push(std::mem::replace(&mut line, word.to_string()));
                }
            }
            lines.push(self.fitted(&line, size, bold, most));
        }
        lines
    }
}
