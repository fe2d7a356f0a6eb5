//! What a sheet must show, and that nothing is cut off.

use crate::layout::{HEIGHT, Item, MARGIN, Page, WIDTH};
use crate::text::Fonts;
use crate::write::pages;
use crate::{Household, Person, Question, Sheet, Stop, Street, pdf};

fn sheet(stops: u32, people: usize) -> Sheet {
    let person = |at: usize| Person {
        name: format!("Invented Person{at} With A Very Long Family-Name"),
        about: "104 F UNA".into(),
    };
    let household = |unit: Option<String>| Household { unit, people: (0..people).map(person).collect() };
    let stop = |at: u32| Stop {
        number: at + 1,
        address: format!("{} O'BRIEN CAÑON BLVD", 100 + at * 2),
        street: if at < stops / 2 { "O'BRIEN CAÑON BLVD".into() } else { "2ND ST".into() },
        place: [-105.0 + 0.0002 * f64::from(at % 20), 39.7 + 0.0003 * f64::from(at / 20)],
        households: match at % 7 {
            0 => (1..=40).map(|unit| household(Some(format!("APT {unit}")))).collect(),
            _ => vec![household(None)],
        },
        remarks: vec![],
    };
    let answers = |count: usize| (1..=count).map(|at| format!("Answer {at}")).collect();
    Sheet {
        name: "Saturday in Lakewood".into(),
        number: 12,
        minutes: 125.4,
        metres: 3_120.0,
        introduction: "Hello, my name is … and I am a volunteer. ".repeat(6),
        questions: vec![
            Question { text: "Can we count on your support?".into(), answers: answers(5) },
            Question { text: "What matters most to you?".into(), answers: answers(9) },
        ],
        streets: vec![Street { name: "2ND ST".into(), points: vec![[-105.01, 39.7003], [-104.99, 39.7003]] }],
        stops: (0..stops).map(stop).collect(),
        link: Some("http://127.0.0.1:8080/walk/0123456789abcdef0123456789abcdef".into()),
        printed: "2026-10-01 10:00 UTC".into(),
        ..Sheet::default()
    }
}

/// Everything that is drawn lies on the page, and texts end before its edge.
fn nothing_is_cut_off(fonts: &Fonts, page: &Page) {
    let within = |[x, y]: [f32; 2], what: &Item| {
        assert!((MARGIN - 3.0..=WIDTH - MARGIN + 3.0).contains(&x), "{what:?}");
        assert!((MARGIN - 6.0..=HEIGHT - MARGIN + 10.0).contains(&y), "{what:?}");
    };
    for item in &page.items {
        match item {
            Item::Text { at, size, bold, text, .. } => {
                within(*at, item);
                within([at[0] + fonts.width(text, *size, *bold), at[1]], item);
            }
            Item::Lines { points, .. } => points.iter().for_each(|point| within(*point, item)),
            Item::Tick { at, side } => {
                within(*at, item);
                within([at[0] + side, at[1] + side], item);
            }
            Item::Area { at, size, .. } => {
                within(*at, item);
                within([at[0] + size[0], at[1] + size[1]], item);
            }
            Item::Disc { middle, .. } => within(*middle, item),
        }
    }
}

#[test]
fn nothing_of_a_sheet_is_cut_off() {
    let fonts = Fonts::read().expect("the fonts are in the program");
    for (stops, people) in [(1, 1), (1, 300), (45, 3), (90, 1)] {
        let sheet = sheet(stops, people);
        pages(&sheet, &fonts).iter().for_each(|page| nothing_is_cut_off(&fonts, page));
    }
}

#[test]
fn every_person_has_a_line_with_every_box() {
    let fonts = Fonts::read().expect("the fonts are in the program");
    let sheet = sheet(45, 2);
    let pages = pages(&sheet, &fonts);
    let items = || pages.iter().flat_map(|page| &page.items);
    let people: usize =
        sheet.stops.iter().flat_map(|stop| &stop.households).map(|household| household.people.len()).sum();
    let ticks = items().filter(|item| matches!(item, Item::Tick { .. })).count();
    let answers: usize = sheet.questions.iter().map(|question| question.answers.len()).sum();
    assert_eq!(ticks, people * (crate::list::RESULTS.len() + answers));
    let stops = |number: &str| {
        items().filter(|item| matches!(item, Item::Text { text, bold: true, size, .. } if text == number && *size == 8.5)).count()
    };
    (1..=45).for_each(|stop| assert!(stops(&stop.to_string()) >= 1, "stop {stop}"));
}

#[test]
fn lines_of_one_page_do_not_lie_on_each_other() {
    let fonts = Fonts::read().expect("the fonts are in the program");
    for page in &pages(&sheet(60, 2), &fonts)[1..] {
        // Names of people stand in a column: two of them must be a line apart.
        let mut lines: Vec<f32> = page
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Text { at, size, .. } if *size == 9.5 => Some(at[1]),
                _ => None,
            })
            .collect();
        lines.sort_by(f32::total_cmp);
        assert!(lines.windows(2).all(|pair| pair[1] - pair[0] >= 12.0));
    }
}

#[test]
fn a_sheet_becomes_a_pdf_of_as_many_pages() {
    let made = pdf(&[sheet(30, 1), sheet(2, 1)]).expect("a PDF");
    assert!(made.starts_with(b"%PDF-"));
    assert!(made.len() > 10_000);
}
