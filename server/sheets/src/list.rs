//! The pages with the doors: street by street, a line a person, with boxes to tick.

use crate::layout::{HEIGHT, INNER, Item, MARGIN, Page, WIDTH};
use crate::text::Fonts;
use crate::{Person, Sheet, Stop};

/// What a canvasser ticks beside the answers.
pub(crate) const RESULTS: [&str; 5] = ["Not home", "Refused", "Moved", "Deceased", "Leave alone"];

/// Left edges and widths, in points.
const NUMBER: f32 = MARGIN;
const NAME: f32 = MARGIN + 28.0;
const NAME_WIDTH: f32 = 138.0;
const ABOUT: f32 = NAME + NAME_WIDTH + 4.0;
const ABOUT_WIDTH: f32 = 52.0;
const TICKS: f32 = ABOUT + ABOUT_WIDTH;
const TICK: f32 = 33.0;
const ANSWERS: f32 = TICKS + TICK * RESULTS.len() as f32 + 6.0;
const ANSWER: f32 = 22.0;
const BOX: f32 = 10.0;
/// Answers of one question in a line.
const IN_LINE: usize = 6;
const LINE: f32 = 17.0;
const STOP_LINE: f32 = 16.0;
const UNIT: f32 = 12.0;
const STREET: f32 = 22.0;
const FOOT: f32 = HEIGHT - MARGIN - 8.0;
const HEAD: f32 = MARGIN + 44.0;

/// The pages of the list, without the foot.
pub(crate) fn pages(sheet: &Sheet, fonts: &Fonts) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    let (mut y, mut street) = (f32::INFINITY, None);
    for stop in &sheet.stops {
        let new_street = street != Some(&stop.street);
        // A stop begins where its first person fits as well; a street's name stands over a stop.
        let first = person_height(sheet) + UNIT;
        let needed = if new_street { STREET } else { 0.0 } + STOP_LINE + first;
        if y + needed > FOOT {
            y = begin(&mut pages, sheet, fonts);
            heading(last(&mut pages), &mut y, stop, !new_street);
        } else if new_street {
            heading(last(&mut pages), &mut y, stop, false);
        }
        street = Some(&stop.street);
        begin_stop(last(&mut pages), fonts, &mut y, stop, false);
        for household in &stop.households {
            for (at, person) in household.people.iter().enumerate() {
                let unit = household.unit.as_deref().filter(|_| at == 0);
                let needed = person_height(sheet) + if unit.is_some() { UNIT } else { 0.0 };
                if y + needed > FOOT {
                    y = begin(&mut pages, sheet, fonts);
                    heading(last(&mut pages), &mut y, stop, true);
                    begin_stop(last(&mut pages), fonts, &mut y, stop, true);
                }
                draw(last(&mut pages), fonts, sheet, &mut y, (unit, person));
            }
        }
        for remark in &stop.remarks {
            if y + 11.0 > FOOT {
                y = begin(&mut pages, sheet, fonts);
            }
            let text = fonts.fitted(remark, 8.0, false, WIDTH - MARGIN - NAME);
            last(&mut pages).text([NAME, y + 8.0], 8.0, false, text);
            y += 11.0;
        }
        let page = last(&mut pages);
        page.rule(y + 2.0, 0.4, 0.6);
        y += 4.0;
    }
    pages
}

fn last(pages: &mut Vec<Page>) -> &mut Page {
    if pages.is_empty() {
        pages.push(Page::default());
    }
    pages.last_mut().expect("a page was begun")
}

/// Begins a page; gives where its list begins.
fn begin(pages: &mut Vec<Page>, sheet: &Sheet, fonts: &Fonts) -> f32 {
    let mut page = Page::default();
    let title = fonts.fitted(&format!("{}, turf {}", sheet.name, sheet.number), 13.0, true, INNER);
    page.text([MARGIN, MARGIN + 12.0], 13.0, true, title);
    for (at, result) in RESULTS.iter().enumerate() {
        let words: Vec<&str> = result.split(' ').collect();
        for (line, word) in words.iter().enumerate() {
            let x = TICKS + TICK * at as f32 + (TICK - fonts.width(word, 6.5, false)) / 2.0;
            let y = MARGIN + 38.0 - 7.5 * (words.len() - 1 - line) as f32;
            page.text([x, y], 6.5, false, *word);
        }
    }
    if !sheet.questions.is_empty() {
        page.text([ANSWERS, MARGIN + 38.0], 6.5, false, "Answers, numbered as on the first page");
    }
    page.rule(HEAD - 3.0, 1.0, 0.0);
    pages.push(page);
    HEAD
}

fn heading(page: &mut Page, y: &mut f32, stop: &Stop, continued: bool) {
    page.items.push(Item::Area { at: [MARGIN, *y + 3.0], size: [INNER, STREET - 6.0], grey: 0.9 });
    let name = if stop.street.is_empty() { "(no street)" } else { &stop.street };
    let name = if continued { format!("{name} (continued)") } else { name.to_string() };
    page.text([MARGIN + 4.0, *y + 15.0], 10.0, true, name);
    *y += STREET;
}

fn begin_stop(page: &mut Page, fonts: &Fonts, y: &mut f32, stop: &Stop, continued: bool) {
    let number = stop.number.to_string();
    let middle = [NUMBER + 12.0, *y + 8.0];
    page.items.push(Item::Disc { middle, radius: 9.0, fill: 1.0, border: 0.0 });
    page.text([middle[0] - fonts.width(&number, 8.5, true) / 2.0, middle[1] + 3.1], 8.5, true, number);
    let address = if continued { format!("{} (continued)", stop.address) } else { stop.address.clone() };
    page.text([NAME, *y + 12.0], 10.5, true, fonts.fitted(&address, 10.5, true, WIDTH - MARGIN - NAME));
    *y += STOP_LINE;
}

/// Lines that the answers of a person take.
fn answer_lines(sheet: &Sheet) -> usize {
    sheet.questions.iter().map(|question| question.answers.len().div_ceil(IN_LINE)).sum()
}

fn person_height(sheet: &Sheet) -> f32 {
    LINE * answer_lines(sheet).max(1) as f32
}

/// A line of a person, below the unit where it begins one.
fn draw(page: &mut Page, fonts: &Fonts, sheet: &Sheet, y: &mut f32, (unit, person): (Option<&str>, &Person)) {
    if let Some(unit) = unit {
        page.text([NAME, *y + 9.0], 9.0, true, fonts.fitted(unit, 9.0, true, NAME_WIDTH));
        *y += UNIT;
    }
    page.text([NAME, *y + 11.5], 9.5, false, fonts.fitted(&person.name, 9.5, false, NAME_WIDTH));
    page.text([ABOUT, *y + 11.5], 8.5, false, fonts.fitted(&person.about, 8.5, false, ABOUT_WIDTH - 4.0));
    for at in 0..RESULTS.len() {
        let left = TICKS + TICK * at as f32 + (TICK - BOX) / 2.0;
        page.items.push(Item::Tick { at: [left, *y + 3.0], side: BOX });
    }
    let mut line = *y;
    for (number, question) in sheet.questions.iter().enumerate() {
        for (at, answers) in question.answers.chunks(IN_LINE).enumerate() {
            if at == 0 && sheet.questions.len() > 1 {
                let letter = letter_of(number);
                page.text([ANSWERS - 1.0, line + 11.5], 8.0, true, letter);
            }
            for place in 0..answers.len() {
                let left = ANSWERS + 10.0 + ANSWER * place as f32;
                page.items.push(Item::Tick { at: [left, line + 3.0], side: BOX });
                let answer = (at * IN_LINE + place + 1).to_string();
                page.text([left + BOX + 1.5, line + 11.2], 7.5, false, answer);
            }
            line += LINE;
        }
    }
    *y = line.max(*y + LINE);
}

/// Questions are A, B, C on paper.
pub(crate) fn letter_of(question: usize) -> String {
    char::from(b'A' + (question % 26) as u8).to_string()
}
