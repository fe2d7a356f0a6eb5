"""A check for schemathesis: no answer names a voter whom the key has no right to see. The state of Franklin numbers its
voters from 9000000000, and no other ten digits begin so. `BELLWETHER_MAY_SEE` is a file of the ids that may be seen."""

import os
import re

import schemathesis

with open(os.environ["BELLWETHER_MAY_SEE"], "rb") as file:
    MAY_SEE = set(file.read().split())
A_VOTER = re.compile(rb"(?<![0-9])90000[0-9]{5}(?![0-9])")


@schemathesis.check
def no_stranger_is_named(context, response, case):
    seen = set(A_VOTER.findall(response.content)) - MAY_SEE
    assert not seen, f"{len(seen)} voters are named whom the key may not see"
