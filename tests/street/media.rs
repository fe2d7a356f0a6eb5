//! Television plans: what they promise is what the panel sees, they beat buying by age and sex on people they were not made on,
//! keep to their limits, and say which limits clash.

use serde_json::{Value, json};

use super::harness::{Server, bellwether, demo, demo_lake, demo_source, oracle, own_lake, succeed, text};
use super::turfs::id;

fn plan(server: &Server, request: &Value) -> Value {
    let (status, job) = server.post("/v1/media/plans", request, &[]);
    assert_eq!(status, 202, "{job}");
    let done = server.finish(job["id"].as_str().expect("an id"));
    assert_eq!(done["state"], "done", "{done}");
    server.json(&format!("/v1/media/plans/{}", id(&done["result"]["plan"])))
}

fn democrats() -> Value {
    json!({"all": [{"field": "party", "eq": "DEM"}, {"field": "status", "eq": "active"}]})
}

/// Dollars of the buys that fit.
fn dollars(plan: &Value, fits: impl Fn(&Value) -> bool) -> f64 {
    let buys = plan["plan"]["buys"].as_array().expect("buys");
    buys.iter().filter(|buy| fits(buy)).map(|buy| buy["cost"].as_f64().expect("dollars")).sum()
}

#[test]
fn a_plan_promises_what_the_panel_sees() {
    let server = Server::start(&demo_lake());
    // What only has ratings is left out: the oracle counts what was watched.
    let made = plan(
        &server,
        &json!({"name": "Autumn", "where": democrats(), "budget": 4000, "stations": {"KFEE": {"most": 0}}}),
    );
    println!(
        "{}",
        oracle("media.py", &["reach", &server.url, &id(&made["id"]), text(&demo().join("sources"))])
    );
    let told = &made["plan"];
    let frequency = told["reach"]["frequency"].as_array().expect("a distribution");
    let people: f64 = frequency.iter().map(|times| times["people"].as_f64().expect("people")).sum();
    assert!((people - told["universe"]["voters"].as_f64().expect("voters")).abs() < 30.0);
    assert!(told["bound"]["most"].as_f64() >= told["value"].as_f64());
    assert!(told["bound"]["gap"].as_f64().expect("a gap") < 0.05, "{}", told["bound"]);
    assert!(told["by_age_and_sex"]["gain"].as_f64().expect("a gain") > 0.0, "{}", told["by_age_and_sex"]);
    assert!(told["next"]["value"].as_f64().expect("people") >= 0.0);
    let curve = told["curve"].as_array().expect("a curve");
    assert!(
        curve.len() > 10
            && curve.windows(2).all(|pair| pair[1]["value"].as_f64() >= pair[0]["value"].as_f64())
    );
    // As a buy sheet, and as a picture.
    let (status, sheet) = server.get(&format!("/v1/media/plans/{}?format=csv", id(&made["id"])));
    assert_eq!((status, sheet.lines().count()), (200, told["buys"].as_array().expect("buys").len() + 1));
    assert!(sheet.starts_with("Market,MarketName,Station,Zone,Program,"));
    let (status, picture) = server.get(&format!("/v1/media/plans/{}?format=svg", id(&made["id"])));
    assert!(status == 200 && picture.contains("<polyline"));
    // What was aired stands beside what was planned.
    let aired = server.json(&format!("/v1/media/plans/{}/airings", id(&made["id"])));
    assert_eq!(aired["totals"]["planned"].as_f64(), told["spots"].as_f64());
    assert!(aired["totals"]["aired"].as_f64().expect("spots") > 0.0);
}

#[test]
fn of_stations_that_are_only_rated_plans_promise_about_what_a_panel_would_have_seen() {
    let (folder, lake) = own_lake();
    let sources = demo().join("sources");
    let without = |name: &str, keep: &dyn Fn(&str) -> bool, to: &str| {
        let all = std::fs::read_to_string(sources.join(name)).expect("a file");
        let kept = all.lines().enumerate().filter(|(at, line)| *at == 0 || keep(line)).map(|(_, line)| line);
        let path = folder.path().join(to);
        std::fs::write(&path, kept.collect::<Vec<&str>>().join("\n")).expect("a file");
        path
    };
    for station in ["KFAA", "KFDD"] {
        // As if nobody had measured the station; its ratings by group stay.
        let named = format!(",{station},");
        let viewing = without("tv_viewing_fk.csv", &|line| !line.contains(&named), "viewing.csv");
        let inventory = without("tv_inventory_fk.csv", &|line| line.contains(&named), "one.csv");
        succeed(&lake, &["load", "viewing", text(&viewing)]);
        succeed(&lake, &["load", "inventory", text(&inventory)]);
        let server = Server::start(&lake);
        for budget in [500, 6_000] {
            let everyone = json!({"field": "age", "between": [18, 120]});
            let request = json!({"name": station, "where": everyone, "budget": budget, "inventory": "one"});
            let made = plan(&server, &request);
            let buys = made["plan"]["buys"].as_array().expect("buys");
            assert!(buys.iter().all(|buy| buy["audience"] == "ratings"));
            let told = oracle("media.py", &["rated", &server.url, &id(&made["id"]), text(&sources)]);
            print!("{station} {told}");
        }
    }
}

/// The group of an age and a sex as a filter.
fn of_group(group: &str) -> Value {
    let least: i64 = group[1..].split(['-', '+']).next().expect("an age").parse().expect("a number");
    let most: i64 = group.split_once('-').map_or(120, |(_, most)| most.parse().expect("a number"));
    let mut everybody = vec![json!({"field": "age", "between": [least, most]})];
    match &group[..1] {
        "W" => everybody.push(json!({"field": "gender", "eq": "F"})),
        "M" => everybody.push(json!({"field": "gender", "eq": "M"})),
        _ => {}
    }
    json!({"all": everybody})
}

#[test]
fn plans_beat_age_and_sex_on_people_they_were_not_made_on() {
    let (folder, lake) = own_lake();
    let sources = demo().join("sources");
    let limits = json!({"KFEE": {"most": 0}});
    oracle("media.py", &["halves", text(&sources), text(folder.path())]);
    let mut told = Vec::new();
    for (made_on, held_out) in [("a", "b"), ("b", "a")] {
        for kind in ["panel", "viewing"] {
            let file = folder.path().join(format!("{kind}_{made_on}.csv"));
            succeed(&lake, &["load", kind, text(&file)]);
        }
        let server = Server::start(&lake);
        let mut pairs = Vec::new();
        for budget in [400, 800, 1600] {
            let request = |name: &str, filter: Value| json!({"name": name, "where": filter, "budget": budget, "stations": limits});
            let own = plan(&server, &request("Own", democrats()));
            // The usual way: everybody of the group that fits best.
            let group = id(&own["plan"]["by_age_and_sex"]["group"]);
            let usual = plan(&server, &request(&group, of_group(&group)));
            pairs.push(format!("{}/{}", id(&own["id"]), id(&usual["id"])));
        }
        let reached =
            oracle("media.py", &["held-out", &server.url, &pairs.join(","), text(folder.path()), held_out]);
        let file = folder.path().join(format!("reached_{held_out}.json"));
        std::fs::write(&file, reached).expect("a file");
        told.push(file);
    }
    println!("{}", oracle("media.py", &["gains", text(&told[0]), text(&told[1])]));
}

#[test]
fn plans_keep_to_their_limits_and_are_made_again_from_where_they_are() {
    let server = Server::start(&demo_lake());
    let request = json!({"name": "Limits", "where": democrats(), "budget": 5000, "from": "2026-09-14", "to": "2026-10-11",
        "markets": {"901": {"most": 1500}, "902": {"least": 900}}, "stations": {"KFAA": {"most": 600}},
        "dayparts": {"prime": {"most": 1200}}, "weekly_frequency": 3.0});
    let made = plan(&server, &request);
    let near = |value: f64| value + 0.5;
    assert!(dollars(&made, |buy| buy["market"] == "901") <= near(1500.0));
    assert!(near(dollars(&made, |buy| buy["market"] == "902")) >= 900.0);
    for market in ["901", "902", "903"] {
        assert!(dollars(&made, |buy| buy["station"] == "KFAA" && buy["market"] == market) <= near(600.0));
    }
    assert!(dollars(&made, |buy| buy["daypart"] == "prime") <= near(1200.0));
    let week = |buy: &Value| id(&buy["week"]);
    assert!(
        made["plan"]["buys"]
            .as_array()
            .expect("buys")
            .iter()
            .all(|buy| *week(buy) >= *"2026-09-14" && *week(buy) <= *"2026-10-11")
    );
    assert!(made["plan"]["prices"].as_array().expect("prices").len() > 1, "{}", made["plan"]["prices"]);
    // Half of it is bought, prices rise, and money is moved.
    // What is bought already stands above what a station may cost now.
    let buys = made["plan"]["buys"].as_array().expect("buys");
    let line = |buy: &Value| json!({"market": buy["market"], "station": buy["station"], "programme": buy["programme"], "week": buy["week"], "zone": buy["zone"], "units": buy["units"]});
    let station = id(&buys[0]["station"]);
    let change = json!({"bought": [line(&buys[0])], "stations": {&station: {"most": 1}}});
    let (status, problem) = server.post(&format!("/v1/media/plans/{}/replan", id(&made["id"])), &change, &[]);
    let named = format!("/stations/{station}/most");
    assert!(status == 422 && id(&problem["detail"]).contains(&named), "{problem}");
    let bought: Vec<Value> = buys.iter().step_by(2).map(line).collect();
    let dear = &buys[1];
    let change = json!({"budget": 6000, "bought": bought, "keep": true,
        "prices": [{"market": dear["market"], "station": dear["station"], "programme": dear["programme"], "zone": dear["zone"], "price": 99_999.0}]});
    let (status, again) = server.post(&format!("/v1/media/plans/{}/replan", id(&made["id"])), &change, &[]);
    assert_eq!(status, 200, "{again}");
    let now = again["plan"]["buys"].as_array().expect("buys");
    for line in &bought {
        let same = |buy: &&Value| {
            ["market", "station", "zone", "programme", "week"].iter().all(|field| buy[field] == line[field])
        };
        let units: u64 = now.iter().filter(same).map(|buy| buy["units"].as_u64().expect("units")).sum();
        assert!(units >= line["units"].as_u64().expect("units"), "{line}");
    }
    assert!(!now.iter().any(|buy| buy["station"] == dear["station"]
        && buy["programme"] == dear["programme"]
        && buy["zone"] == dear["zone"]
        && buy["market"] == dear["market"]
        && buy["bought"] == 0));
    assert!(again["plan"]["spent"].as_f64().expect("dollars") <= 6000.01);
    assert_eq!(server.json(&format!("/v1/media/plans/{}", id(&again["id"])))["request"]["budget"], 6000.0);
}

#[test]
fn spots_run_on_days_of_the_flight() {
    let server = Server::start(&demo_lake());
    // From a Thursday to a Tuesday.
    let made = plan(
        &server,
        &json!({"name": "Days", "where": democrats(), "budget": 60_000, "from": "2026-09-17", "to": "2026-09-22"}),
    );
    let buys = made["plan"]["buys"].as_array().expect("buys");
    let days: std::collections::BTreeSet<(String, String)> =
        buys.iter().map(|buy| (id(&buy["week"]), id(&buy["days"]))).collect();
    let known = [("14", ["Th,F", "Th-Su", "Sa,Su"]), ("21", ["M,Tu", "M,Tu", "M,Tu"])];
    for (week, days) in &days {
        let fits = known.iter().any(|(day, of)| week.ends_with(day) && of.contains(&days.as_str()));
        assert!(fits, "{week} {days}");
    }
    assert!(days.len() >= 4, "{days:?}");
    // What runs from Monday to Friday has two fifths of its spots left in either week, rounded up.
    let sheet = std::fs::read_to_string(demo_source("tv_inventory_fk.csv")).expect("an inventory");
    let offered: std::collections::HashMap<Vec<&str>, u64> = sheet
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<&str>>())
        .map(|row| (vec![row[0], row[1], row[2], row[3], row[8], row[5]], row[11].parse().expect("units")))
        .collect();
    let mut sold_out = 0;
    for buy in buys {
        let field = |name: &str| buy[name].as_str().expect("a text");
        let of = |days: &'static str| {
            let key = vec![
                field("market"),
                field("station"),
                field("zone"),
                field("programme"),
                field("week"),
                days,
            ];
            offered.get(&key).copied()
        };
        let most = match (of("M-F"), of("M-Su"), field("days")) {
            (Some(units), _, _) => (units * 2).div_ceil(5),
            (_, Some(units), "Th-Su") => (units * 4).div_ceil(7),
            (_, Some(units), _) => (units * 2).div_ceil(7),
            _ => of("Sa-Su").expect("an offer"),
        };
        let units = buy["units"].as_u64().expect("units");
        assert!(units <= most, "{buy}");
        sold_out += usize::from(units == most);
    }
    assert!(sold_out * 2 > buys.len(), "{sold_out} of {} offers are bought up", buys.len());
}

#[test]
fn a_cable_zone_has_the_audience_of_the_homes_that_get_it() {
    let (folder, lake) = own_lake();
    let sources = demo().join("sources");
    let sheet = std::fs::read_to_string(sources.join("tv_inventory_fk.csv")).expect("an inventory");
    let zone = |line: &str| line.split(',').nth(2).unwrap_or_default().to_string();
    let own: Vec<&str> = sheet
        .lines()
        .enumerate()
        .filter(|(at, line)| *at == 0 || zone(line).starts_with('7'))
        .map(|(_, line)| line)
        .collect();
    let file = folder.path().join("zones.csv");
    std::fs::write(&file, own.join("\n")).expect("a file");
    succeed(&lake, &["load", "inventory", text(&file)]);
    let server = Server::start(&lake);
    let made =
        plan(&server, &json!({"name": "Zones", "where": democrats(), "budget": 4000, "inventory": "zones"}));
    // Counted by the homes that get each zone.
    println!("{}", oracle("media.py", &["reach", &server.url, &id(&made["id"]), text(&sources)]));
    let buys = made["plan"]["buys"].as_array().expect("buys");
    let zones: std::collections::BTreeSet<String> = buys.iter().map(|buy| id(&buy["zone"])).collect();
    assert!(zones.len() > 10 && zones.iter().all(|zone| zone.starts_with('7')), "{zones:?}");
    // A county's zone reaches a part of what the whole market's does.
    let report = server.json("/v1/markets/901/report?inventory=tv_inventory_fk");
    let programmes = report["programmes"].as_array().expect("programmes");
    let rating = |zone: &dyn Fn(&str) -> bool| -> f64 {
        let of = programmes
            .iter()
            .filter(|of| of["station"] == "Laugh" && zone(of["zone"].as_str().unwrap_or_default()));
        of.map(|of| of["rating"].as_f64().expect("a rating")).sum()
    };
    let (whole, parts) = (rating(&|zone| zone == "interconnect"), rating(&|zone| zone.starts_with('7')));
    assert!(whole > 0.1 && (parts / whole - 1.0).abs() < 0.05, "{parts} of {whole}");
}

#[test]
fn bought_spots_are_found_by_daypart_and_count_outside_the_flight_too() {
    let (folder, lake) = own_lake();
    let sheet = std::fs::read_to_string(demo_source("tv_inventory_fk.csv")).expect("an inventory");
    let mut lines: Vec<String> = sheet.lines().map(str::to_string).collect();
    let first =
        lines.iter().position(|line| line.contains(",KFAA,") && line.contains(",prime,")).expect("a row");
    let of: Vec<String> = lines[first].split(',').map(str::to_string).collect();
    // The same programme on the weekend, cheaper.
    let mut weekend = of.clone();
    (weekend[4], weekend[5], weekend[10], weekend[11]) =
        ("weekend".into(), "Sa-Su".into(), "1.50".into(), "4".into());
    lines.push(weekend.join(","));
    let file = folder.path().join("twice.csv");
    std::fs::write(&file, lines.join("\n")).expect("a file");
    succeed(&lake, &["load", "inventory", text(&file)]);
    let server = Server::start(&lake);
    let made =
        plan(&server, &json!({"name": "Twice", "where": democrats(), "budget": 500, "inventory": "twice"}));
    let line = |more: Value| {
        let mut line =
            json!({"market": of[0], "station": of[1], "programme": of[3], "week": of[8], "units": 3});
        more.as_object().expect("fields").iter().for_each(|(name, value)| line[name] = value.clone());
        line
    };
    let again = |change: Value| {
        let (status, told) =
            server.post(&format!("/v1/media/plans/{}/replan", id(&made["id"])), &change, &[]);
        assert_eq!(status, 200, "{told}");
        let buys = told["plan"]["buys"].as_array().expect("buys").clone();
        let bought: Vec<Value> = buys.into_iter().filter(|buy| buy["bought"].as_u64() > Some(0)).collect();
        (told, bought)
    };
    let (_, bought) = again(json!({"bought": [line(json!({"daypart": "weekend"}))]}));
    assert_eq!(bought.len(), 1);
    assert_eq!((bought[0]["price"].as_f64(), bought[0]["days"].as_str()), (Some(1.5), Some("Sa,Su")));
    let (_, bought) = again(json!({"bought": [line(json!({"daypart": "prime"}))]}));
    assert_eq!(bought[0]["price"].as_f64(), Some(of[10].parse().expect("a price")));
    // Later in the campaign what ran before has reached whom it reached, and cost what it cost.
    let (told, bought) =
        again(json!({"from": "2026-10-05", "bought": [line(json!({"daypart": "prime", "price": 20.0}))]}));
    assert_eq!((bought[0]["week"].as_str(), bought[0]["cost"].as_f64()), (Some(of[8].as_str()), Some(60.0)));
    let buys = told["plan"]["buys"].as_array().expect("buys");
    assert!(
        buys.iter().all(|buy| buy["bought"].as_u64() > Some(0) || buy["week"].as_str() >= Some("2026-10-05"))
    );
}

#[test]
fn limits_that_clash_are_told_by_name() {
    let server = Server::start(&demo_lake());
    let refused = |more: Value, words: &[&str], status: u16| {
        let mut request = json!({"name": "No", "where": democrats(), "budget": 1000});
        more.as_object().expect("fields").iter().for_each(|(name, value)| request[name] = value.clone());
        let (got, problem) = server.post("/v1/media/plans", &request, &[]);
        assert_eq!(got, status, "{problem}");
        let detail = id(&problem["detail"]);
        assert!(words.iter().all(|word| detail.contains(word)), "{detail}");
    };
    refused(
        json!({"markets": {"901": {"least": 800}, "902": {"least": 700}}}),
        &["/markets", "1500.00", "/budget"],
        422,
    );
    refused(
        json!({"markets": {"901": {"least": 300, "most": 200}}}),
        &["/markets/901/least", "/markets/901/most"],
        422,
    );
    refused(
        json!({"budget": 1e9, "markets": {"903": {"least": 9e8}}}),
        &["/markets/903/least", "cannot be spent"],
        422,
    );
    // One limit is in the way of two markets.
    refused(
        json!({"budget": 5000, "markets": {"901": {"least": 700}, "902": {"least": 700}}, "dayparts": {
            "early_morning": {"most": 50}, "daytime": {"most": 200}, "early_fringe": {"most": 0}, "early_news": {"most": 0},
            "prime_access": {"most": 0}, "prime": {"most": 0}, "late_news": {"most": 0}, "late_fringe": {"most": 0}, "sports": {"most": 0}}}),
        &[
            "/markets/901/least and /markets/902/least (1400.00 together)",
            "/dayparts/daytime/most",
            "leave 250.00",
        ],
        422,
    );
    refused(json!({"markets": {"999": {"most": 1}}}), &["999", "901"], 400);
    refused(json!({"dayparts": {"teatime": {"most": 1}}}), &["teatime", "prime"], 400);
    refused(json!({"inventory": "nothing"}), &["nothing", "tv_inventory_fk"], 400);
    refused(json!({"from": "2030-01-01"}), &["no spots in this flight"], 422);
    refused(json!({"budget": -5}), &["/budget"], 400);
    refused(
        json!({"bought": [{"market": "901", "station": "KXXX", "programme": "None", "week": "2026-09-14", "units": 2}]}),
        &["KXXX"],
        400,
    );
}

#[test]
fn bad_rows_of_an_inventory_are_rejects_and_a_bad_sheet_changes_nothing() {
    let (folder, lake) = own_lake();
    let good = std::fs::read_to_string(demo_source("tv_inventory_fk.csv")).expect("an inventory");
    let mut lines: Vec<String> = good.lines().map(str::to_string).collect();
    // As another buyer's system names its columns.
    lines[0] = "DMA,Station,Zone,Program,Daypart,Days,Start,End,Week Of,Len,Rate,Avails".into();
    lines[1] = lines[1].replacen("901", "9O1", 1);
    let fields: Vec<&str> = lines[3].split(',').collect();
    lines[3] = [&fields[..5], &["someday"], &fields[6..]].concat().join(",");
    let fields: Vec<&str> = lines[2].split(',').collect();
    lines[2] = [&fields[..10], &["free", fields[11]]].concat().join(",");
    let other = folder.path().join("other.csv");
    std::fs::write(&other, lines.join("\n")).expect("a file");
    let loaded = succeed(&lake, &["load", "inventory", text(&other)]);
    assert!(loaded.lines().any(|line| line.contains("rejected") && line.trim().ends_with(" 3")), "{loaded}");
    let server = Server::start(&lake);
    let known = server.json("/v1/media/inventories");
    let names: Vec<String> =
        known["rows"].as_array().expect("rows").iter().map(|row| id(&row["inventory"])).collect();
    assert_eq!(names, ["other", "tv_inventory_fk"]);
    assert_eq!(known["rows"][0]["offers"].as_u64(), Some(lines.len() as u64 - 4));
    // With two inventories one must be named.
    let (status, problem) = server.post("/v1/media/plans", &json!({"name": "Which", "budget": 100}), &[]);
    assert!(status == 400 && id(&problem["detail"]).contains("other"), "{problem}");
    drop(server);
    let releases = succeed(&lake, &["releases"]);
    std::fs::write(&other, "station,rate\nKFAA,20\n").expect("a file");
    let printed = bellwether(&lake, &["load", "inventory", text(&other)]);
    assert!(!printed.success && printed.err.contains("market_code"), "{}", printed.err);
    assert_eq!(succeed(&lake, &["releases"]), releases);
}

#[test]
fn markets_tell_of_districts_waste_and_cheap_spots() {
    let server = Server::start(&demo_lake());
    let filter = r#"{"field":"party","eq":"DEM"}"#;
    let report = server.json(&format!(
        "/v1/markets/901/report?where={}",
        filter.replace('"', "%22").replace('{', "%7B").replace('}', "%7D")
    ));
    let (_, counted) = server.sql(
        "SELECT congressional, count(*) AS voters, CAST(sum(CASE WHEN media_market = '901' THEN 1 ELSE 0 END) AS BIGINT) AS inside \
         FROM voter_districts WHERE congressional IS NOT NULL GROUP BY congressional ORDER BY congressional",
    );
    let rows = counted["rows"].as_array().unwrap_or_else(|| panic!("{counted}"));
    let mut told = 0;
    for row in rows.iter().filter(|row| row["inside"].as_u64() > Some(0)) {
        let of = report["districts"]
            .as_array()
            .expect("districts")
            .iter()
            .find(|of| of["id"] == row["congressional"]);
        let of = of.unwrap_or_else(|| panic!("{} is not told of", row["congressional"]));
        let share = row["inside"].as_f64().expect("a count") / row["voters"].as_f64().expect("a count");
        assert_eq!(of["voters"].as_f64(), row["inside"].as_f64());
        assert!((of["share_of_district"].as_f64().expect("a share") - share).abs() < 1e-4);
        told += 1;
    }
    assert!(told > 0);
    let cheap = report["underpriced"].as_array().expect("spots");
    assert!(
        cheap.len() == 50
            && cheap
                .windows(2)
                .all(|pair| pair[0]["cost_per_thousand"].as_f64() <= pair[1]["cost_per_thousand"].as_f64())
    );
    assert!(
        report["programmes"]
            .as_array()
            .expect("programmes")
            .iter()
            .all(|of| of["rating_error"].as_f64() >= Some(0.0))
    );
    // The same from the district's side.
    let district = server.json("/v1/districts/congressional/FK-CD-01/report");
    let of = report["districts"].as_array().expect("districts").iter().find(|of| of["id"] == "FK-CD-01");
    let here = district["television"].as_array().expect("markets").iter().find(|of| of["market"] == "901");
    assert_eq!(of.expect("told")["share_of_market"], here.expect("told")["share_of_market"]);
    assert_eq!(server.get("/v1/markets/999/report").0, 404);
    assert_eq!(server.json("/v1/markets")["rows"].as_array().expect("rows").len(), 3);
}
