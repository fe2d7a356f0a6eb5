//! The map of a turf: its streets, the walk and the numbered stops, within a frame.

use crate::Sheet;
use crate::layout::{Item, Page};
use crate::text::Fonts;

const NUMBER: f32 = 7.0;
const DISC: f32 = 6.5;
const NAME: f32 = 7.0;
/// White between the frame and the outermost stop.
const INSET: f32 = 18.0;

/// Draws the map into a frame: left, top, width, height.
pub(crate) fn draw(page: &mut Page, fonts: &Fonts, sheet: &Sheet, [left, top, width, height]: [f32; 4]) {
    page.items.push(Item::Area { at: [left, top], size: [width, height], grey: 0.97 });
    let Some(view) = View::over(sheet, [left, top, width, height]) else { return };
    let line = |points: Vec<[f32; 2]>, width, grey, dashed| Item::Lines { points, width, grey, dashed };
    for street in &sheet.streets {
        let points: Vec<[f32; 2]> = street.points.iter().map(|place| view.at(*place)).collect();
        for piece in view.clipped(&points) {
            page.items.push(line(piece, 5.0, 0.84, false));
        }
    }
    let places: Vec<[f32; 2]> = sheet.stops.iter().map(|stop| view.at(stop.place)).collect();
    let start = sheet.start.map(|start| view.at(start)).filter(|at| view.holds(*at));
    let mut walk: Vec<[f32; 2]> = start.into_iter().chain(places.iter().copied()).collect();
    walk.extend(start);
    match sheet.path.is_empty() {
        true => page.items.push(line(walk, 0.8, 0.35, true)),
        false => {
            let path: Vec<[f32; 2]> = sheet.path.iter().map(|place| view.at(*place)).collect();
            page.items.extend(view.clipped(&path).into_iter().map(|piece| line(piece, 0.8, 0.35, true)));
        }
    }
    let mut taken: Vec<[f32; 4]> = Vec::new();
    for (stop, at) in sheet.stops.iter().zip(&places) {
        let number = stop.number.to_string();
        let half = [(fonts.width(&number, NUMBER, true) / 2.0 + 2.5).max(DISC), DISC];
        let place = free_place(*at, half, &taken, &view);
        let Some(place) = place else {
            page.items.push(Item::Disc { middle: *at, radius: 2.0, fill: 0.0, border: 0.0 });
            continue;
        };
        if place != *at {
            page.items.push(line(vec![*at, place], 0.5, 0.3, false));
            page.items.push(Item::Disc { middle: *at, radius: 1.6, fill: 0.0, border: 0.0 });
        }
        taken.push([place[0] - half[0], place[1] - half[1], place[0] + half[0], place[1] + half[1]]);
        page.items.push(Item::Disc { middle: place, radius: half[0], fill: 1.0, border: 0.0 });
        let [x, y] = [place[0] - fonts.width(&number, NUMBER, true) / 2.0, place[1] + NUMBER * 0.36];
        page.text([x, y], NUMBER, true, number);
    }
    if let Some([x, y]) = start {
        page.items.push(Item::Area { at: [x - 4.0, y - 4.0], size: [8.0, 8.0], grey: 0.0 });
        page.text([x + 6.0, y + 3.0], NAME, true, "Start");
    }
    names(page, fonts, sheet, &view, &mut taken);
    scale(page, fonts, &view);
    let border = vec![
        [left, top],
        [left + width, top],
        [left + width, top + height],
        [left, top + height],
        [left, top],
    ];
    page.items.push(line(border, 0.8, 0.0, false));
}

/// Names of streets where there is room.
fn names(page: &mut Page, fonts: &Fonts, sheet: &Sheet, view: &View, taken: &mut Vec<[f32; 4]>) {
    let mut named: Vec<&str> = Vec::new();
    for street in sheet.streets.iter().filter(|street| !street.name.is_empty()) {
        if named.contains(&street.name.as_str()) {
            continue;
        }
        let width = fonts.width(&street.name, NAME, false);
        let mut places = street.points.windows(2).map(|pair| {
            let (one, other) = (view.at(pair[0]), view.at(pair[1]));
            [(one[0] + other[0]) / 2.0, (one[1] + other[1]) / 2.0]
        });
        let fits = places.find_map(|[x, y]| {
            let [x, y] = [x - width / 2.0, y + 12.0];
            let area = [x - 1.0, y - NAME, x + width + 1.0, y + 2.0];
            let within = view.holds([area[0], area[1]]) && view.holds([area[2], area[3]]);
            (within && !taken.iter().any(|other| overlap(area, *other))).then_some(([x, y], area))
        });
        if let Some((at, area)) = fits {
            page.items.push(Item::Text {
                at,
                size: NAME,
                bold: false,
                grey: 0.25,
                text: street.name.clone(),
            });
            taken.push(area);
            named.push(&street.name);
        }
    }
}

/// A bar of a round number of metres, and the arrow to the north.
fn scale(page: &mut Page, fonts: &Fonts, view: &View) {
    let [left, top, width, height] = view.frame;
    let metres = [20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0, 20_000.0];
    let wanted = 70.0 / view.points_per_metre;
    let length = metres.into_iter().rev().find(|metres| *metres <= wanted).unwrap_or(metres[0]);
    let name = if length >= 1000.0 { format!("{} km", length / 1000.0) } else { format!("{length} m") };
    let bar = (length * view.points_per_metre) as f32;
    let y = top + height - 8.0;
    page.items.push(Item::Area { at: [left + 6.0, y - 16.0], size: [bar.max(34.0) + 12.0, 20.0], grey: 1.0 });
    page.items.push(Item::Lines {
        points: vec![
            [left + 12.0, y - 4.0],
            [left + 12.0, y],
            [left + 12.0 + bar, y],
            [left + 12.0 + bar, y - 4.0],
        ],
        width: 1.2,
        grey: 0.0,
        dashed: false,
    });
    page.text([left + 12.0, y - 7.0], NAME, false, name);
    let x = left + width - 16.0;
    page.items.push(Item::Disc { middle: [x, top + 18.0], radius: 11.0, fill: 1.0, border: 0.0 });
    page.items.push(Item::Lines {
        points: vec![
            [x, top + 27.0],
            [x, top + 17.0],
            [x - 3.0, top + 21.0],
            [x, top + 17.0],
            [x + 3.0, top + 21.0],
        ],
        width: 1.2,
        grey: 0.0,
        dashed: false,
    });
    let half = fonts.width("N", NAME, true) / 2.0;
    page.text([x - half, top + 15.0], NAME, true, "N");
}

/// What of the ground is seen, and where.
struct View {
    frame: [f32; 4],
    /// Longitude and latitude of the middle.
    middle: [f64; 2],
    points_per_metre: f64,
    metres: [f64; 2],
}

impl View {
    fn over(sheet: &Sheet, frame: [f32; 4]) -> Option<View> {
        let places = || sheet.stops.iter().map(|stop| stop.place);
        let first = places().next()?;
        let extent = places()
            .fold([first[0], first[1], first[0], first[1]], |[west, south, east, north], [x, y]| {
                [west.min(x), south.min(y), east.max(x), north.max(y)]
            });
        let middle = [(extent[0] + extent[2]) / 2.0, (extent[1] + extent[3]) / 2.0];
        let metres = [111_195.0 * middle[1].to_radians().cos().max(0.01), 111_195.0];
        let (wide, high) = ((extent[2] - extent[0]) * metres[0], (extent[3] - extent[1]) * metres[1]);
        let room = [f64::from(frame[2] - 2.0 * INSET), f64::from(frame[3] - 2.0 * INSET)];
        // A single house is seen with what lies around it.
        let points_per_metre = (room[0] / wide.max(60.0)).min(room[1] / high.max(60.0));
        Some(View { frame, middle, points_per_metre, metres })
    }

    fn at(&self, [longitude, latitude]: [f64; 2]) -> [f32; 2] {
        let [left, top, width, height] = self.frame;
        let east = (longitude - self.middle[0]) * self.metres[0] * self.points_per_metre;
        let north = (latitude - self.middle[1]) * self.metres[1] * self.points_per_metre;
        [left + width / 2.0 + east as f32, top + height / 2.0 - north as f32]
    }

    fn holds(&self, [x, y]: [f32; 2]) -> bool {
        let [left, top, width, height] = self.frame;
        x >= left && x <= left + width && y >= top && y <= top + height
    }

    /// The pieces of a line within the frame (Liang and Barsky, 1984).
    fn clipped(&self, points: &[[f32; 2]]) -> Vec<Vec<[f32; 2]>> {
        let [left, top, width, height] = self.frame;
        let mut pieces: Vec<Vec<[f32; 2]>> = Vec::new();
        for pair in points.windows(2) {
            let ([x, y], [dx, dy]) = (pair[0], [pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]]);
            let (mut from, mut to) = (0.0f32, 1.0f32);
            let sides = [(-dx, x - left), (dx, left + width - x), (-dy, y - top), (dy, top + height - y)];
            let seen = sides.into_iter().all(|(step, room)| {
                match step {
                    step if step < 0.0 => from = from.max(room / step),
                    step if step > 0.0 => to = to.min(room / step),
                    _ if room < 0.0 => return false,
                    _ => {}
                }
                from <= to
            });
            if seen {
                let place = |share: f32| [x + dx * share, y + dy * share];
                pieces.push(vec![place(from), place(to)]);
            }
        }
        pieces
    }
}

fn overlap(one: [f32; 4], other: [f32; 4]) -> bool {
    one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3]
}

/// Where a number stands: on its stop, or beside it where others stand there.
fn free_place(at: [f32; 2], half: [f32; 2], taken: &[[f32; 4]], view: &View) -> Option<[f32; 2]> {
    let free = |[x, y]: [f32; 2]| {
        let area = [x - half[0], y - half[1], x + half[0], y + half[1]];
        let within = view.holds([area[0], area[1]]) && view.holds([area[2], area[3]]);
        within && !taken.iter().any(|other| overlap(area, *other))
    };
    let around = [14.0f32, 22.0, 32.0].into_iter().flat_map(|far| {
        (0..16).map(move |step| {
            let (sine, cosine) = (std::f32::consts::TAU * step as f32 / 16.0).sin_cos();
            [at[0] + far * cosine, at[1] + far * sine]
        })
    });
    std::iter::once(at).chain(around).find(|place| free(*place))
}
