//! The model card as a page: figures, plots and what each means, in one HTML file that needs nothing else.

use std::fmt::Write;

use crate::card::{Card, Check, GroupEvidence, Learner};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a2330}\
h1{margin-bottom:0}h2{margin-top:2.2rem;border-bottom:1px solid #d5dbe3}table{border-collapse:collapse;width:100%}\
td,th{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #eceff3}td:first-child,th:first-child{text-align:left}\
.plots{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0}figcaption{font-size:.85rem;color:#4a5768;max-width:26rem}\
.passed{color:#136c3a}.failed{color:#a3180f;font-weight:600}.bar{background:#2f6fb0;height:.7rem;display:inline-block}\
p.lead{color:#4a5768;margin-top:.2rem}";

/// The page of a card with its limits.
pub fn of_card(card: &Card, checks: &[Check]) -> String {
    let mut page = String::new();
    let name = escaped(&card.name);
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Model card: {name}</title><style>{STYLE}</style><h1>{name}</h1><p class=\"lead\">A model of {}: {}. \
         Learned from {} people, {} of them with the outcome; tried in {} folds on people whom it had not seen, nobody \
         with anybody of the same household. Seed {}.</p>",
        card.kind.name(),
        escaped(&card.question),
        card.people,
        card.with_outcome,
        card.folds,
        card.seed
    );
    page.push_str(
        "<h2>May it be published?</h2><table><tr><th>Limit</th><th>Asked</th><th>Found</th><th></th></tr>",
    );
    for check in checks {
        let (class, word) = if check.passed { ("passed", "passed") } else { ("failed", "not passed") };
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{word}</td></tr>",
            escaped(&check.what),
            escaped(&check.limit),
            number(check.value)
        );
    }
    page.push_str("</table>");
    if let Some(trial) = &card.trial {
        let effect = trial.intent_to_treat;
        let _ = write!(
            page,
            "<h2>The experiment</h2><table><tr><th>Group</th><th>People</th><th>Mean outcome</th></tr>\
             <tr><td>control</td><td>{}</td><td>{:.4}</td></tr><tr><td>treated</td><td>{}</td><td>{:.4}</td></tr></table>\
             <p>Effect of the assignment {:+.4}, 95 % interval {:+.4} to {:+.4}. Qini coefficient {:.5}, {:.5} to {:.5}.</p>",
            trial.control.people,
            trial.control.mean,
            trial.treated.people,
            trial.treated.mean,
            effect.effect,
            effect.low,
            effect.high,
            trial.qini.coefficient,
            trial.qini.low,
            trial.qini.high
        );
        let end = trial.qini.curve.last().copied().unwrap_or((1.0, 0.0));
        let curve = Plot::new("share of people treated", "outcomes gained a person")
            .line(&[(0.0, 0.0), end], "#9aa6b5")
            .line(&trial.qini.curve, "#2f6fb0");
        let _ = write!(
            page,
            "<div class=\"plots\"><figure>{}<figcaption>Qini curve: what is gained when people are treated in the order \
             of the score (blue), and at random (grey).</figcaption></figure></div>",
            curve.svg()
        );
    } else {
        chances(&mut page, card);
    }
    features(&mut page, card);
    coefficients(&mut page, card);
    groups(&mut page, &card.groups);
    page.push_str("</html>\n");
    page
}

fn chances(page: &mut String, card: &Card) {
    page.push_str(
        "<h2>How good is it?</h2><table><tr><th></th><th>Model</th><th>Boosted trees</th><th>Logistic regression</th></tr>",
    );
    let (trees, plain) = (card.forest, card.baseline);
    for (what, own, forest, other) in [
        (
            "AUC: how often a voter with the outcome ranks above one without",
            card.figures.auc,
            trees.and_then(|t| t.auc),
            plain.and_then(|p| p.auc),
        ),
        (
            "Log loss (less is better)",
            Some(card.figures.log_loss),
            trees.map(|t| t.log_loss),
            plain.map(|p| p.log_loss),
        ),
        (
            "Brier score (less is better)",
            Some(card.figures.brier),
            trees.map(|t| t.brier),
            plain.map(|p| p.brier),
        ),
        ("Calibration slope (1 keeps its promises)", card.slope, None, None),
        ("Calibration intercept (0 keeps its promises)", card.intercept, None, None),
    ] {
        let _ = write!(
            page,
            "<tr><td>{what}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            number(own),
            number(forest),
            number(other)
        );
    }
    let which = match card.learner {
        Learner::Forest => {
            format!("{} boosted trees, as many as strangers were told best by", card.settings.trees)
        }
        Learner::Elsewhere => "made elsewhere".to_string(),
        Learner::Regression => "logistic regression, as trees told strangers no better".to_string(),
    };
    let _ = write!(page, "</table><p>The model is {which}.</p><div class=\"plots\">");
    let curve: Vec<(f64, f64)> = card.curve.iter().map(|bin| (bin.promised, bin.came_true)).collect();
    let plot =
        Plot::new("promised", "came true").line(&[(0.0, 0.0), (1.0, 1.0)], "#9aa6b5").line(&curve, "#2f6fb0");
    let _ = write!(
        page,
        "<figure>{}<figcaption>Calibration: twenty groups of like chances; on the grey line every promise is kept.\
         </figcaption></figure>",
        plot.svg()
    );
    let mut gains = vec![(0.0, 0.0)];
    gains.extend(card.gains.iter().map(|gain| (gain.share, gain.gain)));
    let plot = Plot::new("share of people", "share of outcomes")
        .line(&[(0.0, 0.0), (1.0, 1.0)], "#9aa6b5")
        .line(&gains, "#2f6fb0");
    let _ = write!(
        page,
        "<figure>{}<figcaption>Gains: how many of all outcomes are among the best part of the people.</figcaption></figure></div>",
        plot.svg()
    );
}

fn features(page: &mut String, card: &Card) {
    let mut features: Vec<_> = card.features.iter().collect();
    features.sort_by(|one, other| other.importance.total_cmp(&one.importance));
    let most = features.first().map_or(1.0, |feature| feature.importance).max(1e-12);
    page.push_str(
        "<h2>What it looks at</h2><table><tr><th>Feature</th><th>Importance</th><th></th><th>Known of</th><th>Drift</th></tr>",
    );
    for feature in features {
        let width = (feature.importance / most * 10.0).clamp(0.0, 10.0);
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td style=\"text-align:left;width:11rem\"><span class=\"bar\" \
             style=\"width:{width:.2}rem\"></span></td><td>{:.1} %</td><td>{}</td></tr>",
            escaped(&feature.feature),
            number(Some(feature.importance)),
            feature.coverage * 100.0,
            number(feature.drift)
        );
    }
    page.push_str("</table>");
}

fn coefficients(page: &mut String, card: &Card) {
    let mut terms: Vec<_> = card.coefficients.iter().filter(|term| !term.unknown).collect();
    if terms.is_empty() {
        return;
    }
    terms.sort_by(|one, other| other.coefficient.abs().total_cmp(&one.coefficient.abs()));
    page.push_str(
        "<h2>What the regression found</h2><p>Change of the log odds with one standard deviation of the feature.</p>\
         <table><tr><th>Feature</th><th>Coefficient</th><th>Standard error</th><th>Mean</th><th>Deviation</th></tr>",
    );
    for term in terms {
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{:+.4}</td><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td></tr>",
            escaped(&term.feature),
            term.coefficient,
            term.standard_error,
            term.mean,
            term.deviation
        );
    }
    page.push_str("</table>");
}

fn groups(page: &mut String, groups: &[GroupEvidence]) {
    for part in groups.chunk_by(|one, other| one.by == other.by) {
        let _ = write!(
            page,
            "<h2>By {}</h2><table><tr><th></th><th>People</th><th>Promised</th><th>Came true</th><th>Slope</th>\
             <th>Intercept</th></tr>",
            escaped(&part[0].by)
        );
        for group in part {
            let _ = write!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{:.3}</td><td>{:.3}</td><td>{}</td><td>{}</td></tr>",
                escaped(&group.group),
                group.people,
                group.promised,
                group.came_true,
                number(group.slope),
                number(group.intercept)
            );
        }
        page.push_str("</table>");
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| {
        // No sign before what is nothing when rounded.
        let value = if value.abs() < 5e-5 { 0.0 } else { value };
        if value.abs() < 1000.0 { format!("{value:.4}") } else { format!("{value:.0}") }
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A small plot of lines.
struct Plot {
    across: String,
    up: String,
    lines: Vec<(Vec<(f64, f64)>, String)>,
}

impl Plot {
    fn new(across: &str, up: &str) -> Plot {
        Plot { across: across.into(), up: up.into(), lines: Vec::new() }
    }

    fn line(mut self, points: &[(f64, f64)], colour: &str) -> Plot {
        self.lines.push((points.to_vec(), colour.into()));
        self
    }

    fn svg(&self) -> String {
        const SIDE: f64 = 300.0;
        const LEFT: f64 = 62.0;
        let points = || self.lines.iter().flat_map(|(points, _)| points);
        let most = |value: fn(&(f64, f64)) -> f64| points().map(value).fold(1e-9, f64::max);
        let low = points().map(|point| point.1).fold(0.0, f64::min);
        let (right, top) = (most(|point| point.0), most(|point| point.1));
        let place =
            |(x, y): &(f64, f64)| (LEFT + x / right * SIDE, 10.0 + SIDE - (y - low) / (top - low) * SIDE);
        let mut svg = format!(
            "<svg width=\"{}\" height=\"{}\" role=\"img\" aria-label=\"{} by {}\" font-size=\"12\" fill=\"#4a5768\">\
             <rect x=\"{LEFT}\" y=\"10\" width=\"{SIDE}\" height=\"{SIDE}\" fill=\"none\" stroke=\"#d5dbe3\"/>",
            LEFT + SIDE + 20.0,
            SIDE + 50.0,
            escaped(&self.up),
            escaped(&self.across)
        );
        for (points, colour) in &self.lines {
            let path: Vec<String> = points
                .iter()
                .map(|point| {
                    let (x, y) = place(point);
                    format!("{x:.1},{y:.1}")
                })
                .collect();
            let _ = write!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                path.join(" ")
            );
        }
        let (bottom, middle) = (SIDE + 26.0, LEFT + SIDE / 2.0);
        let _ = write!(
            svg,
            "<text x=\"{LEFT}\" y=\"{bottom}\">0</text><text x=\"{}\" y=\"{bottom}\" text-anchor=\"end\">{right:.2}</text>\
             <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
             <text x=\"{}\" y=\"20\" text-anchor=\"end\">{top:.3}</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{low:.3}</text>\
             <text transform=\"translate(14,{}) rotate(-90)\" text-anchor=\"middle\">{}</text></svg>",
            LEFT + SIDE,
            SIDE + 42.0,
            escaped(&self.across),
            LEFT - 4.0,
            LEFT - 4.0,
            SIDE + 10.0,
            SIDE / 2.0 + 10.0,
            escaped(&self.up)
        );
        svg
    }
}
