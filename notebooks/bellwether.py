"""Asks a Bellwether server: tables as polars frames, over Arrow.

    from bellwether import Bellwether, field, voted, district

    here = Bellwether("http://127.0.0.1:8080")
    young = {"all": [field("age", between=[18, 29]), district("congressional", "FK-CD-01")]}
    here.count(young)                                     # {'voters': ..., 'households': ..., ...}
    here.aggregates(young, by=["party", "age_band"])      # a frame
    here.universe("young voters", young).voters(["voter_id", "precinct"])

One file, and polars is all it needs.
"""

import io
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request

import polars as pl


class BellwetherError(Exception):
    """What the server said when it did not answer: `status`, the text, and the faults of a filter by their place."""

    def __init__(self, status, problem):
        self.status = status
        self.errors = problem.get("errors", [])
        lines = [fault["at"] + ": " + fault["detail"] for fault in self.errors]
        super().__init__("\n".join(lines) or problem.get("detail", f"status {status}"))


def field(name, **test):
    """A condition on a field: `field("party", eq="DEM")`, `field("age", between=[30, 60])`, `field("zip", is_null=True)`;
    `in` is a word of Python's own, so a list is `field("party", among=["DEM", "UNA"])`."""
    if "among" in test:
        test["in"] = test.pop("among")
    return {"field": name, **test}


def district(kind, *ids):
    """In one of the districts; an id may name a vintage: `CO-CD-07@2022`."""
    return {"district": {"kind": kind, "in": list(ids)}}


def voted(*elections, last=None, type=None, at_least=None, at_most=None):
    """Took part in at least (one, by default) or at most so many of the elections, or of the newest so many."""
    body = {"in": list(elections)} if last is None else {"last": last}
    more = {"type": type, "at_least": at_least, "at_most": at_most}
    return {"voted": body | {name: value for name, value in more.items() if value is not None}}


class Bellwether:
    """A server, with the key that it is asked with and the release that it is asked about."""

    def __init__(self, url=None, key=None, as_of=None, purpose=None):
        self.url = (url or os.environ.get("BELLWETHER_URL", "http://127.0.0.1:8080")).rstrip("/")
        self.key = key or os.environ.get("BELLWETHER_KEY")
        self.as_of = as_of
        self.purpose = purpose

    def ask(self, path, body=None, **parameters):
        """The bytes of an answer. With a body it is a POST."""
        if self.as_of:
            parameters.setdefault("as_of", self.as_of)
        query = urllib.parse.urlencode({name: value for name, value in parameters.items() if value is not None})
        request = urllib.request.Request(f"{self.url}{path}?{query}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        if self.key:
            request.add_header("authorization", f"Bearer {self.key}")
        if self.purpose:
            request.add_header("bellwether-purpose", self.purpose)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                problem = json.loads(text)
            except ValueError:
                problem = {"detail": text.decode(errors="replace")}
            raise BellwetherError(error.code, problem) from None

    def json(self, path, body=None, **parameters):
        return json.loads(self.ask(path, body, **parameters))

    def frame(self, path, body=None, **parameters):
        """A table of the API as a polars frame."""
        stream = self.ask(path, body, format="arrow", **parameters)
        return pl.read_ipc_stream(io.BytesIO(stream))

    def count(self, where=None):
        """Voters, households, doors and phones that match."""
        answer = self.json("/v1/universes/count", {"where": where})
        return {name: answer[name] for name in ["voters", "households", "doors", "phones"]}

    def aggregates(self, where=None, by=(), measures=("voters",)):
        """A row a group."""
        return self.frame("/v1/aggregates", {"where": where, "by": list(by), "measures": list(measures)})

    def universe(self, name, where=None, kind="live"):
        """Saves a universe."""
        saved = self.json("/v1/universes", {"name": name, "where": where, "kind": kind})
        return Universe(self, saved["id"])

    def match(self, people, least=None, one_to_one=None):
        """Who of a list is who in the voter file: a frame or dicts of `id, name` (or `last_name, first_name, middle_name`),
        `birth_year` or `birth_date`, `gender, address, zip, phone`, whatever is known of each; at most 100,000. A row each,
        in their order: `voter_id` (null where there is no match), `probability` and `evidence`, a JSON text."""
        rows = people.to_dicts() if isinstance(people, pl.DataFrame) else list(people)
        rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
        wanted = {"least": least, "one_to_one": None if one_to_one is None else str(one_to_one).lower()}
        answer = self.ask("/v1/voters/match", {"records": rows}, format="arrow", **wanted)
        if not answer.startswith(b"{"):
            return pl.read_ipc_stream(io.BytesIO(answer))
        result = self.finish(json.loads(answer))
        return pl.read_ipc_stream(io.BytesIO(self.ask(result["rows"], format="arrow")))

    def finish(self, job):
        """Waits for a job's end and gives its result."""
        while job["state"] in ("queued", "running"):
            time.sleep(0.2)
            job = self.json(f"/v1/jobs/{job['id']}")
        if job["state"] != "done":
            raise BellwetherError(500, {"detail": job["error"]})
        return job["result"]

    def learn(self, name, kind, state, **more):
        """Learns a model and gives its id: `learn("turnout", "turnout", "FK", election="2020-11-03/general")`. Its card is
        `json(f"/v1/models/{id}/card")`, or a page in a browser with `?page=true`."""
        request = {"name": name, "kind": kind, "state": state} | more
        return self.finish(self.json("/v1/models", request))["model"]

    def publish(self, model, **how):
        """Puts a model's scores in force where its card is within the limits; gives version and release."""
        return self.finish(self.json(f"/v1/models/{model}/publish", how))

    def opinion(self, name, kind, survey, **more):
        """The share of yes in every district of a kind, with its interval, from a survey: a frame or dicts of `voter_id` and
        `answer` (0 or 1), and `weight` where there are any. Voter ids need `state`."""
        survey = survey.to_dicts() if isinstance(survey, pl.DataFrame) else list(survey)
        result = self.finish(self.json("/v1/opinions", {"name": name, "kind": kind, "survey": survey} | more))
        return pl.read_ipc_stream(io.BytesIO(self.ask(result["rows"], format="arrow")))

    def experiment(self, name, share, where=None, **more):
        """Sets a random share of a universe aside; gives the experiment's id. What came of it is
        `json(f"/v1/experiments/{id}", election="2020-11-03/general")`."""
        return self.finish(self.json("/v1/experiments", {"name": name, "share": share, "where": where} | more))["experiment"]

    def sql(self, query, *params):
        return self.frame("/v1/sql", {"query": query, "params": list(params)})

    def districts(self, kind=None, state=None):
        return self.frame("/v1/districts", kind=kind, state=state, limit=10_000_000)

    def results(self, **parameters):
        """Votes by candidate per district: `results(kind="county", election="2020-11-03/general", contest="president")`."""
        return self.frame("/v1/results", limit=10_000_000, **parameters)

    def report(self, kind, id):
        """The district report."""
        return self.json(f"/v1/districts/{kind}/{urllib.parse.quote(id)}/report")


class Universe:
    """A saved universe."""

    def __init__(self, server, id):
        self.server = server
        self.id = id

    def voters(self, columns=None, limit=None):
        """Its members, all of them unless limited."""
        columns = ",".join(columns) if columns else None
        return self.server.frame(f"/v1/universes/{self.id}/voters", columns=columns, limit=limit)

    def changes(self, since):
        """Who came and who left since a release."""
        return self.server.frame(f"/v1/universes/{self.id}/changes", since=since, limit=10_000_000)
