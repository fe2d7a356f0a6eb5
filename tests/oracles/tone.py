"""The tone of posts as the authors of VADER work it out. Usage: tone.py FILE, a JSON list of [text, tone]"""

import json
import sys

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

import common

analyzer = SentimentIntensityAnalyzer()
pairs = json.load(open(sys.argv[1]))
faults = []
for text, tone in pairs:
    expected = analyzer.polarity_scores(text)["compound"]
    if abs(expected - tone) > 0.00011:
        faults.append(f"{tone} and not {expected}: {text[:100]}")
if faults:
    common.fail(f"{len(faults)} of {len(pairs)} texts differ\n" + "\n".join(faults[:10]))
print(f"{len(pairs)} texts have the authors' tone")
