"""What `bellwether study` says of the Michigan experiment of 2006, beside the published figures, statsmodels, scikit-learn
and LightGBM. Usage: study.py CSV TURNOUT_FOLDER PERSUASION_FOLDER"""

import json
import os
import sys

import lightgbm
import numpy as np
import pyarrow.csv
import sklearn.metrics
import statsmodels.api

import common

source, turnout, persuasion = sys.argv[1:]
table = pyarrow.csv.read_csv(source)
column = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
FEATURES = ["sex", "age", "primary_00", "general_00", "primary_02", "general_02", "primary_04", "general_04", "hh_size"]
features = np.column_stack([(column[name] == "Male") if name == "sex" else column[name] for name in FEATURES]).astype(float)
near = lambda what, got, want, reach: abs(got - want) <= reach or common.fail(f"{what}: {got}, elsewhere {want}")


def study(folder):
    with open(os.path.join(folder, "card.json")) as file:
        card = json.load(file)
    told = pyarrow.csv.read_csv(os.path.join(folder, "predictions.csv"))
    return card, *(told[name].to_numpy() for name in ("line", "fold", "outcome", "held_out"))


def booster(rows):
    data = lightgbm.Dataset(features[rows], column["primary_06"][rows])
    return lightgbm.train({"objective": "binary", "verbose": -1, "seed": 1, "num_threads": 2}, data, 100)


# Turnout in the control group: the card's figures from the exported predictions, and LightGBM on the same folds.
card, row, fold, outcome, held_out = study(turnout)
at = row - 2
near("control turnout, as published", outcome.mean(), 0.297, 5e-4)
near("AUC", card["figures"]["auc"], sklearn.metrics.roc_auc_score(outcome, held_out), 1e-6)
near("log loss", card["figures"]["log_loss"], sklearn.metrics.log_loss(outcome, held_out), 1e-6)
near("Brier", card["figures"]["brier"], sklearn.metrics.brier_score_loss(outcome, held_out), 1e-6)
log_odds = np.log(held_out / (1 - held_out))
line = statsmodels.api.Logit(outcome, statsmodels.api.add_constant(log_odds)).fit(disp=0).params
near("calibration intercept", card["intercept"], line[0], 1e-6)
near("calibration slope", card["slope"], line[1], 1e-6)
near("calibration slope, of one", card["slope"], 1.0, 0.1)
strangers = set(column["cluster"][at][fold == 0]) & set(column["cluster"][at][fold == 1])
if strangers:
    common.fail("a cluster is in two folds")
other = np.zeros(len(at))
for part in range(5):
    other[fold == part] = booster(at[fold != part]).predict(features[at[fold == part]])
theirs = sklearn.metrics.roc_auc_score(outcome, other)
if card["figures"]["auc"] < theirs - 0.003:
    common.fail(f"AUC {card['figures']['auc']}, LightGBM's {theirs}")

# The experiment: effect, its clustered error, and the order of the scores beside two models' difference.
card, row, fold, outcome, held_out = study(persuasion)
at = row - 2
treated = column["treatment"][at] == "Neighbors"
trial = card["trial"]
near("Neighbors turnout, as published", trial["treated"]["mean"], 0.378, 5e-4)
design = statsmodels.api.add_constant(treated.astype(float))
fitted = statsmodels.api.OLS(column["primary_06"][at].astype(float), design).fit(
    cov_type="cluster", cov_kwds={"groups": column["cluster"][at]}
)
near("intent to treat", trial["intent_to_treat"]["effect"], fitted.params[1], 1e-9)
near("its standard error", trial["intent_to_treat"]["standard_error"], fitted.bse[1], 1e-9)


def qini(scores):
    """Area between the curve of a campaign in the order of the scores and that of one at random, row by row."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    side, won = treated[order], column["primary_06"][at][order]
    people = np.arange(1, len(order) + 1)
    treats, controls = np.cumsum(side), np.cumsum(~side)
    with np.errstate(all="ignore"):
        gained = (np.cumsum(won * side) / treats - np.cumsum(won * ~side) / controls) * people
    kept = ends[(treats[ends] > 0) & (controls[ends] > 0)]
    x, y = np.append(0, people[kept]), np.append(0, gained[kept])
    return np.trapezoid(y, x) / x[-1] ** 2 - y[-1] / x[-1] / 2


near("Qini coefficient", trial["qini"]["coefficient"], qini(held_out), 1e-6)
if trial["qini"]["low"] <= 0:
    common.fail(f"the Qini interval holds nothing: {trial['qini']}")
both = np.zeros(len(at))
for part in range(5):
    own, others = fold == part, fold != part
    both[own] = booster(at[others & treated]).predict(features[at[own]]) - booster(at[others & ~treated]).predict(features[at[own]])
theirs_too = qini(both)
if trial["qini"]["coefficient"] < theirs_too:
    common.fail(f"Qini {trial['qini']['coefficient']}, two models' {theirs_too}")
print(
    f"the study agrees: AUC LightGBM {theirs:.4f}, Qini {trial['qini']['coefficient']:.5f} and of two models {theirs_too:.5f}"
)
