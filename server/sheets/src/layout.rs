//! Pages as lists of what is drawn on them, in points from the upper left corner.

/// US Letter.
pub(crate) const WIDTH: f32 = 612.0;
pub(crate) const HEIGHT: f32 = 792.0;
/// The white around.
pub(crate) const MARGIN: f32 = 36.0;
pub(crate) const INNER: f32 = WIDTH - 2.0 * MARGIN;

/// Something that is drawn. Greys run from 0, black, to 1, white.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// A text that begins at a place, on its base line.
    Text { at: [f32; 2], size: f32, bold: bool, grey: f32, text: String },
    /// Lines from place to place.
    Lines { points: Vec<[f32; 2]>, width: f32, grey: f32, dashed: bool },
    /// A box to tick: left, top, side.
    Tick { at: [f32; 2], side: f32 },
    /// A filled rectangle: left, top, width, height.
    Area { at: [f32; 2], size: [f32; 2], grey: f32 },
    /// A disc with a border.
    Disc { middle: [f32; 2], radius: f32, fill: f32, border: f32 },
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Page {
    pub items: Vec<Item>,
}

impl Page {
    pub fn text(&mut self, at: [f32; 2], size: f32, bold: bool, text: impl Into<String>) {
        self.items.push(Item::Text { at, size, bold, grey: 0.0, text: text.into() });
    }

    pub fn rule(&mut self, y: f32, width: f32, grey: f32) {
        let points = vec![[MARGIN, y], [WIDTH - MARGIN, y]];
        self.items.push(Item::Lines { points, width, grey, dashed: false });
    }
}
