"""Check in pytest's JUnit file that tests ran and that none was skipped: check_none_skipped.py FILE."""

import sys
from xml.etree import ElementTree

cases = list(ElementTree.parse(sys.argv[1]).getroot().iter("testcase"))
skipped = [
    f"{case.get('classname')}::{case.get('name')}: {reason.get('message')} {reason.text or ''}"
    for case in cases
    for reason in case.iter("skipped")
]
if not cases:
    sys.exit("no test ran")
if skipped:
    sys.exit("these tests were skipped:\n" + "\n".join(skipped))
