"""Reads a walk sheet with pdfium: every door and person of the list is printed once with its number, within the page.

sheets.py SERVER TURF [FOLDER FOR PICTURES]
"""

import json
import re
import sys
import urllib.request

import pypdfium2 as pdfium
from common import ask, expect


def main(server, turf, pictures=None):
    rows = ask(server, f"/v1/turfs/{turf}/doors")["rows"]
    with urllib.request.urlopen(f"{server}/v1/turfs/{turf}/doors?format=pdf") as answer:
        sheet = pdfium.PdfDocument(answer.read())
    texts = []
    for number in range(len(sheet)):
        page = sheet[number]
        width, height = page.get_size()
        expect((width, height) == (612, 792), "the paper is US Letter")
        text = page.get_textpage()
        texts.append(text.get_text_bounded())
        for at in range(text.count_rects()):
            left, bottom, right, top = text.get_rect(at)
            expect(left >= 24 and right <= width - 24 and bottom >= 20 and top <= height - 24, f"a text lies on page {number + 1}")
        if pictures:
            page.render(scale=1.5).to_pil().save(f"{pictures}/sheet-{number + 1}.png")
    expect(f"page 1 of {len(texts)}" in texts[0], "pages are numbered")
    flat = [re.sub(r"\s+", " ", text) for text in texts]
    listed = " ".join(flat[1:])
    for row in rows:
        expect(listed.count(row["address"]) >= 1, "an address is printed")
        expect(re.search(rf"(?<!\d){row['stop']} {re.escape(row['address'])}", listed), f"stop {row['stop']} stands beside its address")
    names = [person["name"] for row in rows for home in row["households"] for person in home["people"]]
    printed = sum(listed.count(name) for name in set(names))
    expect(printed >= len(names), f"{len(names)} people, {printed} printed")
    expect("The list on your phone" in flat[0], "the way to the phone page is there")
    print(json.dumps({"pages": len(texts), "stops": len(rows), "people": len(names)}))


main(*sys.argv[1:])
