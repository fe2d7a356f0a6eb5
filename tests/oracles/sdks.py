"""Sends events by the SDKs that producers use, as they are but for the host: Segment's for Python and the CloudEvents one.
Usage: sdks.py URL"""

import sys
import urllib.request

import segment.analytics as analytics
from cloudevents.http import CloudEvent, to_binary, to_structured

import common

url = sys.argv[1]

faults = []
analytics.write_key = "any"
analytics.host = url
analytics.on_error = lambda error, items: faults.append(str(error))
for number in range(25):
    analytics.track(f"u{number}", "Door List Opened", {"list": number}, message_id=f"sdk-track-{number}")
analytics.track("u1", "contact.door", {"voter_id": "v1", "result": "canvassed", "support": 2}, message_id="sdk-door")
analytics.identify("u1", {"plan": "volunteer"}, message_id="sdk-identify")
analytics.page("u1", "main", "home", message_id="sdk-page")
analytics.flush()
analytics.shutdown()
if faults:
    common.fail(faults[0])


def post(headers, body):
    request = urllib.request.Request(url + "/v1/events", data=body, headers=dict(headers), method="POST")
    with urllib.request.urlopen(request) as answer:
        if answer.status != 202:
            common.fail(f"{answer.status}")


attributes = {"type": "ad.airing", "source": "https://example.org/tracker"}
data = {"station": "KXYZ", "aired_at": "2026-10-01T19:00:00Z", "seconds": 30}
post(*to_structured(CloudEvent({**attributes, "id": "structured"}, data)))
post(*to_binary(CloudEvent({**attributes, "id": "binary"}, data)))
post(*to_binary(CloudEvent({**attributes, "id": "binary"}, data)))
print("sent")
