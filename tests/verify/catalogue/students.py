"""What a student writes in plain NumPy, held to what the checker says of it in the operation's own family of cases."""

from dataclasses import dataclass

import tinygrad_cnn as tg


@dataclass(frozen=True)
class Written:
    """A forward with the rule for one operand.

    Attributes:
        forward: plain NumPy.
        operand: whose gradient the rule is.
        rule: plain NumPy.
        mistake: the name of the mistake in it, or None where it is right.
        cases: for a forward that would also take other arrangements of axes; None for the operation's own family.
    """

    forward: object
    operand: str
    rule: object
    mistake: str | None = None
    cases: tuple | None = None

    def __str__(self):
        return f"{self.forward.__name__}-{self.operand}-{self.mistake or 'right'}"


def hold(written):
    """Assert that a right rule passes, and that the mistake of a wrong one is called by its name."""
    check = tg.verify.check_rule(written.forward, {written.operand: written.rule}, written.cases)[written.operand]
    found = check.diagnosis and check.diagnosis.name
    assert (check.passed, found) == (written.mistake is None, written.mistake), check
