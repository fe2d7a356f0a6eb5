//! Sheets as a PDF: the first page of each, its list, and the feet of the pages.

use krilla::Document;
use krilla::color::luma;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke, StrokeDash};
use krilla::surface::Surface;
use krilla::text::{Font, TextDirection};
use qrcode::{Color, EcLevel, QrCode};

use crate::layout::{HEIGHT, INNER, Item, MARGIN, Page, WIDTH};
use crate::list::letter_of;
use crate::text::{BOLD, Fonts, REGULAR};
use crate::{Error, Sheet, list, map};

const CODE: f32 = 92.0;

/// The sheets of some turfs, one after the other, as a PDF.
pub fn pdf(sheets: &[Sheet]) -> Result<Vec<u8>, Error> {
    let fonts = Fonts::read()?;
    let font = |bytes: &'static [u8]| Font::new(bytes.into(), 0).ok_or(Error::Fonts);
    let faces = [font(REGULAR)?, font(BOLD)?];
    let mut document = Document::new();
    if let Some(first) = sheets.first() {
        document.set_metadata(
            Metadata::new().title(format!("{}: walk sheets", first.name)).language("en".into()),
        );
    }
    for sheet in sheets {
        let pages = pages(sheet, &fonts);
        for page in pages {
            let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or(Error::Fonts)?;
            let mut leaf = document.start_page_with(settings);
            let mut surface = leaf.surface();
            page.items.iter().for_each(|item| draw(&mut surface, &faces, item));
            surface.finish();
            leaf.finish();
        }
    }
    document.finish().map_err(|error| Error::Write(format!("{error:?}")))
}

/// All pages of a sheet.
pub(crate) fn pages(sheet: &Sheet, fonts: &Fonts) -> Vec<Page> {
    let mut pages = vec![first(sheet, fonts)];
    pages.extend(list::pages(sheet, fonts));
    let count = pages.len();
    for (at, page) in pages.iter_mut().enumerate() {
        let foot = format!("{}, turf {} · page {} of {count}", sheet.name, sheet.number, at + 1);
        page.text([MARGIN, HEIGHT - MARGIN + 8.0], 7.5, false, fonts.fitted(&foot, 7.5, false, INNER * 0.6));
        let printed = format!("printed {}", sheet.printed);
        let right = WIDTH - MARGIN - fonts.width(&printed, 7.5, false);
        page.text([right, HEIGHT - MARGIN + 8.0], 7.5, false, printed);
    }
    pages
}

/// The first page: what the turf is, the map, and what to say and ask.
fn first(sheet: &Sheet, fonts: &Fonts) -> Page {
    let mut page = Page::default();
    let wide = INNER - if sheet.link.is_some() { CODE + 12.0 } else { 0.0 };
    let title = fonts.fitted(&sheet.name, 20.0, true, wide);
    page.text([MARGIN, MARGIN + 18.0], 20.0, true, title);
    page.text([MARGIN, MARGIN + 44.0], 16.0, true, format!("Turf {}", sheet.number));
    let doors: usize = sheet.stops.iter().map(|stop| stop.households.len()).sum();
    let people: usize = sheet.stops.iter().flat_map(|stop| &stop.households).map(|at| at.people.len()).sum();
    let facts = format!(
        "{doors} doors at {} stops · {people} people · about {} · {:.1} km on the way",
        sheet.stops.len(),
        duration(sheet.minutes),
        sheet.metres / 1000.0
    );
    page.text([MARGIN, MARGIN + 62.0], 10.0, false, fonts.fitted(&facts, 10.0, false, wide));
    let name = sheet.canvasser.clone().unwrap_or_else(|| "______________________".into());
    page.text(
        [MARGIN, MARGIN + 82.0],
        10.0,
        false,
        fonts.fitted(&format!("Canvasser: {name}"), 10.0, false, wide * 0.55),
    );
    page.text([MARGIN + wide * 0.58, MARGIN + 82.0], 10.0, false, "Date: ____________");
    if let Some(link) = &sheet.link {
        code(&mut page, link);
        page.text([WIDTH - MARGIN - CODE + 4.0, MARGIN + CODE + 7.0], 7.5, false, "The list on your phone");
    }
    let mut words: Vec<(f32, bool, String)> = Vec::new();
    if !sheet.introduction.trim().is_empty() {
        words.extend(
            fonts.lines(&sheet.introduction, 10.0, false, INNER).into_iter().map(|line| (10.0, false, line)),
        );
    }
    for (at, question) in sheet.questions.iter().enumerate() {
        let letter = if sheet.questions.len() > 1 { format!("{}. ", letter_of(at)) } else { String::new() };
        let asked = fonts.lines(&format!("{letter}{}", question.text), 10.0, true, INNER);
        words.extend(asked.into_iter().map(|line| (10.0, true, line)));
        let number = |(at, text): (usize, &String)| format!("{} {text}", at + 1);
        let answers = question.answers.iter().enumerate().map(number).collect::<Vec<_>>().join("   ");
        words.extend(fonts.lines(&answers, 9.0, false, INNER).into_iter().map(|line| (9.0, false, line)));
    }
    // The map has what the words leave, and half of the page at least: a long script goes on beside no map at all.
    const LINE: f32 = 13.5;
    let top = MARGIN + 108.0;
    let bottom = HEIGHT - MARGIN - 12.0;
    let room = (bottom - top - LINE * words.len() as f32 - 10.0).max(260.0);
    map::draw(&mut page, fonts, sheet, [MARGIN, top, INNER, room]);
    let mut y = top + room + 16.0;
    let fit = ((bottom - y) / LINE).max(0.0) as usize + 1;
    let cut = words.len() > fit;
    for (size, bold, line) in words.into_iter().take(if cut { fit.saturating_sub(1) } else { fit }) {
        page.text([MARGIN, y], size, bold, line);
        y += LINE;
    }
    if cut {
        page.text([MARGIN, y], 9.0, true, "The script goes on: see the phone page.");
    }
    page
}

/// Hours and minutes.
fn duration(minutes: f64) -> String {
    let minutes = minutes.round() as u64;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes:02} min"),
    }
}

/// The QR code of the phone page, in the upper right corner.
fn code(page: &mut Page, link: &str) {
    let Ok(code) = QrCode::with_error_correction_level(link, EcLevel::M) else { return };
    let side = code.width();
    let dot = CODE / side as f32;
    let [left, top] = [WIDTH - MARGIN - CODE, MARGIN - 4.0];
    for (at, _) in code.to_colors().iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        let [x, y] = [(at % side) as f32 * dot, (at / side) as f32 * dot];
        // A hair larger than the dot: printers leave white lines between dots that only touch.
        page.items.push(Item::Area { at: [left + x, top + y], size: [dot + 0.05, dot + 0.05], grey: 0.0 });
    }
}

fn grey(value: f32) -> luma::Color {
    luma::Color::new((value.clamp(0.0, 1.0) * 255.0).round() as u8)
}

fn fill(surface: &mut Surface, value: Option<f32>) {
    surface.set_fill(value.map(|value| Fill {
        paint: grey(value).into(),
        opacity: NormalizedF32::ONE,
        rule: Default::default(),
    }));
}

fn stroke(surface: &mut Surface, width_and_grey: Option<(f32, f32)>, dashed: bool) {
    surface.set_stroke(width_and_grey.map(|(width, value)| Stroke {
        paint: grey(value).into(),
        width,
        dash: dashed.then(|| StrokeDash { array: vec![3.0, 2.0], offset: 0.0 }),
        ..Stroke::default()
    }));
}

fn draw(surface: &mut Surface, faces: &[Font; 2], item: &Item) {
    let mut path = PathBuilder::new();
    match item {
        Item::Text { at, size, bold, grey, text } => {
            fill(surface, Some(*grey));
            stroke(surface, None, false);
            let face = faces[usize::from(*bold)].clone();
            surface.draw_text(Point::from_xy(at[0], at[1]), face, *size, text, false, TextDirection::Auto);
            return;
        }
        Item::Lines { points, width, grey, dashed } => {
            fill(surface, None);
            stroke(surface, Some((*width, *grey)), *dashed);
            for (at, [x, y]) in points.iter().enumerate() {
                if at == 0 { path.move_to(*x, *y) } else { path.line_to(*x, *y) }
            }
        }
        Item::Tick { at: [x, y], side } => {
            fill(surface, Some(1.0));
            stroke(surface, Some((0.8, 0.0)), false);
            path.push_rect(rect([*x, *y], [*side, *side]));
        }
        Item::Area { at, size, grey } => {
            fill(surface, Some(*grey));
            stroke(surface, None, false);
            path.push_rect(rect(*at, *size));
        }
        Item::Disc { middle: [x, y], radius, fill: within, border } => {
            fill(surface, Some(*within));
            stroke(surface, Some((0.8, *border)), false);
            // Four Bézier curves; 0.5523 is what makes them a circle to three in ten thousand.
            let (r, c) = (*radius, *radius * 0.5523);
            path.move_to(x + r, *y);
            path.cubic_to(x + r, y + c, x + c, y + r, *x, y + r);
            path.cubic_to(x - c, y + r, x - r, y + c, x - r, *y);
            path.cubic_to(x - r, y - c, x - c, y - r, *x, y - r);
            path.cubic_to(x + c, y - r, x + r, y - c, x + r, *y);
            path.close();
        }
    }
    if let Some(path) = path.finish() {
        surface.draw_path(&path);
    }
}

fn rect([x, y]: [f32; 2], [width, height]: [f32; 2]) -> Rect {
    let made = Rect::from_xywh(x, y, width.max(0.01), height.max(0.01));
    made.expect("a rectangle of a page has a size and a place")
}
