"""Walks doors on the phone's page with a phone's luck: first without signal, then with a bad one, in which requests are
dropped, answered in vain, sent twice and overtaken. Prints what was recorded; whoever runs it compares that with what the
server has. The page itself is measured on the way: its width, its targets, its names, and with axe where that is installed.
Usage: phone.py WALK_URL COUNT. PHONE_SCREENSHOTS names a folder for pictures."""

import json
import os
import random
import sys
import time

from playwright.sync_api import sync_playwright

url, doors = sys.argv[1], int(sys.argv[2])
token = url.rstrip("/").rsplit("/", 1)[1]
pictures = os.environ.get("PHONE_SCREENSHOTS")
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking"]
# CSS pixels of the smallest target.
LEAST = 44
# What happens at the doors, in turn: the result, whether a note is written, whether nobody shall come again.
HAPPENINGS = [("canvassed", True, False), ("not_home", False, False), ("refused", True, True), ("canvassed", False, False),
              ("not_here", False, False), ("language", True, False), ("moved", False, False), ("inaccessible", False, False),
              ("not_home", False, False), ("other", True, False), ("canvassed", True, False), ("deceased", False, False)]
MEASURE = """least => {
  const faults = [];
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) faults.push(`${wide} pixels wide`);
  for (const one of document.querySelectorAll('button, a[href], input, textarea, select, summary')) {
    const { width, height } = one.getBoundingClientRect();
    if (!width || !height || !one.checkVisibility()) continue;
    const what = `${one.tagName} ${one.id || one.className}`;
    if (Math.min(width, height) < least) faults.push(`${what} is ${Math.round(width)} by ${Math.round(height)}`);
    const name = one.getAttribute('aria-label') || [...(one.labels ?? [])].map(label => label.textContent).join() || one.textContent;
    if (!name.trim()) faults.push(`${what} has no name`);
  }
  return faults;
}"""
ENTRIES = """token => new Promise((resolve, reject) => {
  const open = indexedDB.open('bellwether-walk');
  open.onerror = () => reject(open.error);
  open.onsuccess = () => {
    const all = open.result.transaction('entries').objectStore('entries').index('token').getAll(token);
    all.onsuccess = () => { open.result.close(); resolve(all.result); };
  };
})"""


def expect(holds, what):
    if not holds:
        raise AssertionError(what)


class Phone:
    """The page under a thumb."""

    def __init__(self, page):
        self.page, self.measured, self.axe, self.crashes = page, set(), None, []
        page.on("pageerror", lambda error: self.crashes.append(str(error)))
        page.set_default_timeout(20000)

    def tap(self, selector):
        self.page.locator(selector).first.tap()

    def entries(self):
        return self.page.evaluate(ENTRIES, token)

    def sync(self):
        return self.page.locator("#sync").inner_text()

    def measure(self, view):
        """Each view once, in the usual type and in type of double size."""
        expect(not self.crashes, self.crashes)
        if view in self.measured:
            return
        self.measured.add(view)
        for size in ("", "200%"):
            self.page.evaluate("size => document.documentElement.style.fontSize = size", size)
            faults = self.page.evaluate(MEASURE, LEAST)
            expect(not faults, f"{view} in type of {size or '100%'}: {faults}")
        self.page.evaluate("document.documentElement.style.fontSize = ''")
        if pictures:
            self.page.screenshot(path=os.path.join(pictures, f"phone-{view}.png"))
        try:
            import axe_playwright_python
        except ImportError:
            return
        with open(os.path.join(os.path.dirname(axe_playwright_python.__file__), "axe.min.js")) as file:
            self.page.evaluate(file.read())
        # Targets are measured above; axe takes those that a sticky footer covers until the page is scrolled for small.
        rules = {"rules": {"color-contrast-enhanced": {"enabled": True}, "target-size": {"enabled": False}}}
        found = self.page.evaluate("options => axe.run(document, options)", rules)["violations"]
        self.axe = (self.axe or 0) + len(found)
        expect(not found, f"{view}: {[(one['id'], [node['html'][:120] for node in one['nodes']]) for one in found]}")

    def recorded(self, act):
        """Does what records, and waits until the page says that it is on the phone's disk."""
        before = len(self.entries())
        act()
        self.page.wait_for_selector("#notice:has-text('Recorded')")
        expect(len(self.entries()) > before, "the page says recorded and nothing is on disk")
        # The page takes a second tap within 0.4 seconds for a slip.
        time.sleep(0.5)

    def visit(self, happening, rng):
        """The next door: one person, one result."""
        result, note, never = happening
        self.tap("#next")
        self.page.wait_for_selector("#back")
        self.measure("door")
        talk = "button[id^=talk-]"
        if result == "not_home":
            self.recorded(lambda: self.tap("button[id^=away-]"))
            return
        self.tap(talk if result == "canvassed" else "button[id^=other-]")
        self.page.wait_for_selector("#never")
        self.measure("talk" if result == "canvassed" else "result")
        if note:
            if self.page.locator("summary").count():
                self.tap("summary")
            self.page.fill("#field-notes", rng.choice(["Wants a sign", "Dog in the yard", "Asks for a call, after 6 pm"]))
        if never:
            self.tap("#never")
        if result == "canvassed" and note:
            for question in self.page.locator("fieldset").all():
                rng.choice(question.locator("button").all()).tap()
        self.recorded(lambda: self.tap("#save" if result == "canvassed" else f"#result-{result}"))


class Signal:
    """A bad signal: the first requests meet every fault once, later ones at random, the last ones none."""

    def __init__(self, context, rng, faults):
        self.context, self.through, self.late = context, 0, []
        kinds = ["dropped", "lost", "delayed", "repeated"]
        self.counts = dict.fromkeys(["sent", *kinds], 0)
        self.faults = kinds + [rng.choice([*kinds, None]) for _ in range(faults)]

    def meet(self, route):
        fault = self.faults.pop(0) if self.faults else None
        self.counts["sent"] += 1
        if fault:
            self.counts[fault] += 1
        if fault == "dropped":
            return route.abort()
        if fault == "delayed":
            # The phone gives up; the network delivers when later requests have long arrived.
            self.late.append((self.through + 1, route.request.url, route.request.post_data))
            return route.abort()
        answer = route.fetch()
        if fault == "lost":
            return route.abort()
        if fault == "repeated":
            first, answer = answer, route.fetch()
            expect(first.json()["accepted"] == answer.json()["accepted"], "a request that came twice is answered otherwise")
        if answer.ok:
            self.through += 1
        return route.fulfill(response=answer)

    def deliver(self, everything=False):
        for after, address, body in [one for one in self.late if everything or one[0] <= self.through]:
            self.late.remove((after, address, body))
            answer = self.context.request.post(address, data=body, headers={"content-type": "application/json"})
            expect(answer.ok, f"a late request is answered {answer.status}")


def begin(phone):
    """Opens the list, and waits until the page can do without the server."""
    page = phone.page
    page.goto(url)
    page.wait_for_selector("#canvasser, #next")
    if page.locator("#canvasser").count():
        phone.measure("claim")
        page.fill("#canvasser", "Robin")
        phone.tap("#start")
    page.wait_for_selector("#next")
    until = time.time() + 20
    while not page.evaluate("Boolean(navigator.serviceWorker.controller)"):
        expect(time.time() < until, "no service worker controls the page")
        page.wait_for_timeout(100)
    phone.measure("list")
    phone.tap("#whole")
    phone.measure("whole")
    phone.tap("#whole")


def slip(phone):
    """A result that is undone before it is sent leaves no trace."""
    before = len(phone.entries())
    phone.tap("#next")
    phone.recorded(lambda: phone.tap("button[id^=away-]"))
    phone.tap("#undo")
    phone.page.wait_for_selector("#notice:has-text('Undone')")
    expect(len(phone.entries()) == before, "what was undone is still there")
    phone.tap("#back")
    phone.page.wait_for_selector("#to-more")


def reload(phone):
    """The page over a reload: the same progress, the same count of what waits."""
    before = phone.page.locator("#figures").inner_text(), phone.sync()
    phone.page.reload()
    phone.page.wait_for_selector("#next")
    after = phone.page.locator("#figures").inner_text(), phone.sync()
    expect(before == after, f"{before} became {after} over a reload")


def forms(phone):
    """The remaining views, measured and left."""
    for opens, view in (("#new", "newcomer"), ("#address", "address")):
        phone.tap(opens)
        phone.page.wait_for_selector("#report")
        phone.measure(view)
        phone.tap("#back")
    phone.tap("#sync")
    phone.page.wait_for_selector("#finish")
    phone.measure("more")
    phone.tap("#finish")
    phone.measure("finish")
    phone.tap("dialog button")
    phone.tap("#home")


def flicker(phone, context):
    """A bad signal comes and goes, which is when the page tries again at once."""
    context.set_offline(True)
    phone.page.wait_for_timeout(100)
    context.set_offline(False)
    phone.page.wait_for_timeout(300)


def walk(browser):
    rng = random.Random(7)
    context = browser.new_context(viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True, device_scale_factor=2)
    phone = Phone(context.new_page())
    begin(phone)
    context.set_offline(True)
    phone.page.reload()
    phone.page.wait_for_selector("#next")
    known = {one["id"] for one in phone.entries()}
    slip(phone)
    happenings = [HAPPENINGS[at % len(HAPPENINGS)] for at in range(doors)]
    for happening in happenings[: (doors + 1) // 2]:
        phone.visit(happening, rng)
    expect("waiting to be sent" in phone.sync(), f"offline, the page says: {phone.sync()}")
    reload(phone)
    signal = Signal(context, rng, doors // 4)
    phone.page.route("**/v1/walks/*/results", signal.meet)
    context.set_offline(False)
    for turn, happening in enumerate(happenings[(doors + 1) // 2 :]):
        phone.visit(happening, rng)
        signal.deliver()
        if turn % 3 == 2:
            flicker(phone, context)
    until = time.time() + 240
    for turn in range(10**6):
        if "All sent" in phone.sync():
            break
        expect(time.time() < until, f"after minutes with signal the page says: {phone.sync()}")
        phone.page.wait_for_timeout(500)
        signal.deliver()
        if turn % 10 == 9:
            flicker(phone, context)
    signal.deliver(everything=True)
    phone.page.unroute("**/v1/walks/*/results")
    if not phone.page.locator("#new").count():
        phone.tap("#next")
    forms(phone)
    made = [one for one in phone.entries() if one["id"] not in known]
    refused = [one.get("reason") for one in made if one["status"] != "accepted"]
    expect(not refused, f"not accepted: {refused}")
    results = [one["entry"] for one in sorted(made, key=lambda one: one["entry"]["at"]) if "result" in one["entry"]]
    expect(len(results) == doors, f"{len(results)} results of {doors} doors")
    tapped = ["moved" if result == "not_here" else result for result, _, _ in happenings]
    expect([one["result"] for one in results] == tapped, "the results are not those that were tapped")
    expect(not phone.crashes, phone.crashes)
    return {
        "recorded": [{name: one[name] for name in ("id", "state", "voter_id", "result")} for one in results],
        "reports": [{name: one["entry"][name] for name in ("id", "report", "stop")} for one in made if "report" in one["entry"]],
        "sent_requests": signal.counts["sent"],
        "dropped": signal.counts["dropped"],
        "lost": signal.counts["lost"],
        "repeated": signal.counts["repeated"],
        "delayed": signal.counts["delayed"],
        "offline_reload": True,
        "measured": sorted(phone.measured),
        **({"axe": phone.axe} if phone.axe is not None else {}),
    }


if pictures:
    os.makedirs(pictures, exist_ok=True)
with sync_playwright() as playwright:
    chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
    try:
        print(json.dumps(walk(chromium)))
    finally:
        chromium.close()
