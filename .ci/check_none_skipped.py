"""Check in pytest's JUnit file that tests ran and that none was skipped: check_none_skipped.py FILE [NAME].

With a name, of those whose class has it in its name.
"""

import sys
from xml.etree import ElementTree

file, name = [*sys.argv[1:], ""][:2]
cases = [case for case in ElementTree.parse(file).getroot().iter("testcase") if name in case.get("classname", "")]
skipped = [
    f"{case.get('classname')}::{case.get('name')}: {reason.get('message')} {reason.text or ''}"
    for case in cases
    for reason in case.iter("skipped")
]
if not cases:
    sys.exit("no test ran")
if skipped:
    sys.exit("these tests were skipped:\n" + "\n".join(skipped))
