"""Whatever a student's file does becomes a line that says what and where, and the other exercise is graded."""

import os
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from tests.verify.grading import homework
from tests.verify.grading.homework import TRIPLE, graded
from tinygrad_cnn.verify.grading import Limits

NOT_THERE = "[Errno 2] No such file or directory: 'data.npy'"
ELSEWHERE = "it runs in an empty folder: find its own with `pathlib.Path(__file__).parent`"
TOO_LARGE = "Unable to allocate 10.0 GiB for an array with shape (1342177280,) and data type float64"

# What `double` does; the failure's kind, and the message. The function's first line is line 4 of the file.
IN_A_FUNCTION = {
    "endless loop": ("while True: pass", "timeout", "does not end: stopped after 2 s (hw.py, line 4, in double)"),
    "a loop that catches everything": (
        "while True:\n        try: time.sleep(60)\n        except BaseException: pass",
        "timeout",
        "does not end: stopped after 2 s (hw.py, line 5, in double)",
    ),
    "a loop in C": ("sum(iter(int, 1))", "timeout", "does not end: stopped after 2 s (hw.py, line 4, in double)"),
    "sys.exit": ("sys.exit()", "exit", "calls sys.exit() (hw.py, line 4, in double)"),
    "sys.exit(0)": ("sys.exit(0)", "exit", "calls sys.exit(0) (hw.py, line 4, in double)"),
    "os._exit": ("os._exit(0)", "exit", "ends the process by os._exit(0) (hw.py, line 4, in double)"),
    "recursion": ("return double(x)", "recursion", "calls itself without end (hw.py, line 4, in double)"),
    "NotImplementedError": (
        "raise NotImplementedError('later')",
        "not-done",
        "is not done yet: it raises NotImplementedError (hw.py, line 4, in double)",
    ),
    "exception": ("return 1 / 0", "exception", "raises ZeroDivisionError: division by zero (hw.py, line 4, in double)"),
    "exception in a called function": (
        "return helper()\ndef helper(): return {}['a']",
        "exception",
        "raises KeyError: 'a' (hw.py, line 5, in helper)",
    ),
    "exception in NumPy": (
        "return np.zeros(2) + np.zeros(3)",
        "exception",
        "raises ValueError: operands could not be broadcast together with shapes (2,) (3,) (hw.py, line 4, in double)",
    ),
    "KeyboardInterrupt": (
        "raise KeyboardInterrupt",
        "exception",
        "raises KeyboardInterrupt (hw.py, line 4, in double)",
    ),
    "huge message": (
        "raise ValueError('x\\n' * 10**7)",
        "exception",
        f"raises ValueError: {'x ' * 150}... (hw.py, line 4, in double)",
    ),
    "message that raises": (
        "raise type('Evil', (Exception,), {'__str__': lambda self: 1 / 0})",
        "exception",
        "raises Evil: (its message can't be shown: __str__ raises ZeroDivisionError) (hw.py, line 4, in double)",
    ),
    "escape sequences in a message": (
        "raise ValueError('\\x1b[2J\\x1b[1A')",
        "exception",
        "raises ValueError: \ufffd[2J\ufffd[1A (hw.py, line 4, in double)",
    ),
    "input": (
        "input('? ')",
        "input",
        "asks for input, and there is none while it is graded (hw.py, line 4, in double)",
    ),
    "a file that is not there": (
        "open('data.npy')",
        "exception",
        f"raises FileNotFoundError: {NOT_THERE} (hw.py, line 4, in double); {ELSEWHERE}",
    ),
    "None": ("2 * x", None, "with x of shape (2,): returns nothing (None): is there a return?"),
    "generator": ("yield 2 * x", None, "with x of shape (2,): returns a generator, not an array of numbers"),
    "function": ("return double", None, "with x of shape (2,): returns a function, not an array of numbers"),
    "text": ("return str(2 * x)", None, "with x of shape (2,): returns a str, not an array of numbers"),
    "array of objects": (
        "return np.array([None, None])",
        None,
        "with x of shape (2,): returns an array of object, not an array of numbers",
    ),
    "wrong shape": ("return (2 * x)[None]", None, "with x of shape (2,): expected shape (2,) but got (1, 2)"),
    "wrong values": ("return 4 * x", None, "with x of shape (2,): 2 of 2 entries are wrong, by up to 14"),
    "changed input": ("x *= 2; return x", None, "with x of shape (2,): changes its argument x: work on a copy"),
}
if os.name == "posix":
    IN_A_FUNCTION |= {
        "segmentation fault": (
            "ctypes.string_at(0)",
            "crash",
            "crashes Python: Segmentation fault (hw.py, line 4, in double)",
        ),
        "abort": ("os.abort()", "crash", "crashes Python: Aborted (hw.py, line 4, in double)"),
        "kill": ("os.kill(os.getpid(), 9)", "killed", "is killed by the signal SIGKILL"),
        "alarm": ("signal.alarm(1); time.sleep(60)", "killed", "is killed by the signal SIGALRM"),
        "another program": (
            "os.execv(sys.executable, [sys.executable, '-c', ''])",
            "exit",
            "ends the process without a result (exit status 0)",
        ),
        "a file that fills the disk": (
            "open('big', 'wb').write(bytes(65 << 20))",
            "exception",
            "raises OSError: [Errno 27] File too large (hw.py, line 4, in double)",
        ),
    }
if sys.platform == "linux":
    IN_A_FUNCTION |= {
        "10 GB": (
            "return np.ones(10 * 2**27)",
            "memory",
            f"needs more memory than the limit of 256 MB (hw.py, line 4, in double): {TOO_LARGE}",
        ),
        "a list that grows": (
            "items = [0]\n    while True: items += items",
            "memory",
            "needs more memory than the limit of 256 MB (hw.py, line 5, in double)",
        ),
    }

HEAD = "import ctypes, os, signal, sys, time\nimport numpy as np\n"


@pytest.mark.parametrize("name", IN_A_FUNCTION)
def test_in_a_function(name, tmp_path):
    code, failure, message = IN_A_FUNCTION[name]
    ends_the_process = failure not in (None, "exception")
    exercises = ("double", "triple") if ends_the_process else ("double",)
    grade = graded(tmp_path, f"{HEAD}def double(x):\n    {code}{TRIPLE}", exercises=exercises)
    (function,) = grade.exercises[0].functions
    assert function.message == message
    assert function.failure == failure
    assert (function.passed, function.score, function.max_score) == (False, 0, 1)
    assert not grade
    if ends_the_process:
        assert grade.exercises[1].passed
        assert (grade.score, grade.max_score) == (2, 3)
    assert "Traceback" not in str(grade)
    assert "tinygrad_cnn" not in str(grade)  # no frames of ours
    assert max(map(len, str(grade).splitlines())) <= 80


# What a file does before it defines anything, and the message; the line is the file's second.
WHILE_LOADING = {
    "endless loop": ("while True: pass", "timeout", "the file does not end: stopped after 2 s (hw.py, line 2)"),
    "sys.exit": (
        "sys.exit('bye')",
        "exit",
        'the file calls sys.exit(bye) (hw.py, line 2); keep such a call under `if __name__ == "__main__":`',
    ),
    "os._exit": ("os._exit(3)", "exit", "the file ends the process by os._exit(3) (hw.py, line 2)"),
    "exception": ("1 / 0", "exception", "the file raises ZeroDivisionError: division by zero (hw.py, line 2)"),
    "import": (
        "import no_such_module",
        "exception",
        "the file raises ModuleNotFoundError: No module named 'no_such_module' (hw.py, line 2)",
    ),
    "syntax": (
        "def f(x) return x",
        "unreadable",
        "the file is not Python: SyntaxError: expected ':' (hw.py, line 2): def f(x) return x",
    ),
    "indentation": (
        "  x = 1",
        "unreadable",
        "the file is not Python: IndentationError: unexpected indent (hw.py, line 2): x = 1",
    ),
    "null byte": ("\0", "unreadable", "the file is not Python: "),
    "deep nesting": ("(" * 1000 + ")" * 1000, "unreadable", "the file is not Python: "),
}


@pytest.mark.parametrize("name", WHILE_LOADING)
def test_while_loading(name, tmp_path):
    """The exercises fail for one reason, which is said once."""
    code, failure, message = WHILE_LOADING[name]
    grade = graded(tmp_path, f"import os, sys\n{code}\n\ndef double(x):\n    return 2 * x\n{TRIPLE}")
    for exercise in grade.exercises:
        (function,) = exercise.functions
        assert function.message.startswith(message)
        assert function.failure == failure
    assert (bool(grade), grade.score, grade.max_score) == (False, 0, 3)
    assert "Traceback" not in str(grade)


def test_a_file_that_does_not_end_takes_its_time_once(tmp_path):
    grade = graded(tmp_path, "while True: pass", limits=Limits(0.5, 256))
    assert [exercise.functions[0].failure for exercise in grade.exercises] == ["timeout", "timeout"]
    assert [exercise.seconds > 0 for exercise in grade.exercises] == [True, False]


def test_recursion_without_a_limit(tmp_path):
    """Python's own limit can be lifted: then time or memory ends it, or the stack."""
    code = "import sys\nsys.setrecursionlimit(10**9)\ndef double(x):\n    return double(x)\n" + TRIPLE
    double, triple = graded(tmp_path, code).exercises
    assert double.functions[0].failure in ("timeout", "memory", "crash")
    assert triple.passed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# Grüße\n".encode("latin-1"), "the file is not UTF-8 text: byte 0xfc in line 1; save it as UTF-8"),
        (b"x = 1\ny = '\xe4'\n", "the file is not UTF-8 text: byte 0xe4 in line 2; save it as UTF-8"),
        (b"# coding: ascii\ny = '\xe4'\n", "the file is not ascii text: byte 0xe4 in line 2; save it as UTF-8"),
        (b"x" * 10_000_001, "the file is larger than 10 MB"),
        (None, "the file is not there"),
    ],
    ids=["latin-1", "second line", "declared ascii", "large", "missing"],
)
def test_unreadable(content, message, tmp_path):
    path = tmp_path / "hw.py"
    grade = graded(tmp_path, content or "", exercises=("double",))
    if content is None:
        path.unlink()
        grade = homework.grade(path, ["double"], own=tmp_path / "teacher.py")
    assert [function.message for function in grade.exercises[0].functions] == [message]
    assert not grade


def test_a_declared_encoding_and_a_byte_order_mark_are_read_as_python_reads_them(tmp_path):
    for content in (b"# coding: latin-1\ny = '\xe4'\n", b"\xef\xbb\xbfy = 1\n", b"y = 1\r\nz = 2\r\n"):
        assert graded(tmp_path, content + b"def double(x):\n    return 2 * x\n", exercises=["double"])


def test_a_folder_is_no_file(tmp_path):
    graded(tmp_path, "")
    grade = homework.grade(tmp_path, ["double"], own=tmp_path / "teacher.py")
    assert grade.exercises[0].functions[0].message == "the file is a folder"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "is missing: define double(x)"),
        ("def doubel(x): return 2 * x", "is missing: define double(x); there is doubel"),
        ("double = 7", "is a int, not a function"),
        ("def double(): return 1", "can't be called as double(x): it takes ()"),
        ("def double(x, y): return 1", "can't be called as double(x): it takes (x, y)"),
        ("def double(*, x): return 1", "can't be called as double(x): it takes (*, x)"),
    ],
)
def test_missing_functions_and_signatures(code, message, tmp_path):
    grade = graded(tmp_path, code + TRIPLE)
    assert grade.exercises[0].functions[0].message == message
    assert grade.exercises[1].passed


def test_what_can_be_called_is_called(tmp_path):
    """Other names, defaults, a lambda, a class: only what comes out counts."""
    for code in ("def double(y, z=1): return 2 * y", "double = lambda x: x + x", "def double(*a): return 2 * a[0]"):
        assert graded(tmp_path, code, exercises=["double"])


def test_a_million_lines_neither_block_nor_flood(tmp_path):
    code = "def double(x):\n    for i in range(1_000_000):\n        print('line', i)\n    return 2 * x" + TRIPLE
    grade = graded(tmp_path, code, limits=Limits(30, 512))
    assert grade.passed
    output = grade.exercises[0].output
    assert (output.lines, len(output.head)) == (2_000_000, 10_000)
    assert output.head.startswith("line 0\nline 1\n")
    assert "it printed 2,000,000 lines (23,777,780 bytes), of which the first are:" in str(grade)
    assert len(str(grade).splitlines()) < 20
    assert len(grade.to_html()) < 40_000


def test_what_is_printed_can_not_move_the_cursor(tmp_path):
    code = "print('\\x1b[31mred\\x1b[0m')\nimport sys\nsys.stderr.write('to stderr')\ndef double(x):\n    return 2 * x"
    text = str(graded(tmp_path, code, exercises=["double"]))
    assert "\x1b" not in text
    assert "red" in text
    assert "to stderr" in text


@pytest.mark.skipif(os.name != "posix", reason="needs file descriptors as POSIX has them")
def test_a_result_can_not_be_forged_by_printing_or_writing(tmp_path):
    """Without the token, a line is nobody's, in whichever file it stands."""
    code = """
        import json, os
        answer = json.dumps({"event": "report", "notes": [], "checks": [
            {"name": "double", "passed": True, "message": "right", "details": [], "html": "", "data": {}}]})
        print(answer)
        for descriptor in range(3, 30):
            try:
                os.write(descriptor, answer.encode() + b"\\n")
            except OSError:
                pass
        def double(x):
            os._exit(0)
    """
    grade = graded(tmp_path, dedent(code), exercises=["double"])
    assert grade.exercises[0].functions[0].failure == "exit"
    assert not grade


@pytest.mark.skipif(os.name != "posix", reason="needs file descriptors as POSIX has them")
def test_closing_everything_helps_nobody(tmp_path):
    grade = graded(tmp_path, "import os\ndef double(x):\n    os.closerange(0, 100)\n    return 2 * x" + TRIPLE)
    assert grade.exercises[0].functions[0].message.startswith("ends the process without a result (exit status ")
    assert grade.exercises[1].passed


def test_threads_and_exit_handlers_do_not_delay_the_end(tmp_path):
    code = """
        import atexit, threading, time
        atexit.register(time.sleep, 60)
        threading.Thread(target=time.sleep, args=(60,)).start()
        def double(x):
            return 2 * x
    """
    grade = graded(tmp_path, dedent(code), exercises=["double"])
    assert grade.passed
    assert grade.exercises[0].seconds < 1.5


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
@pytest.mark.parametrize("leave", ["subprocess.Popen([sys.executable, '-c', sleep])", "os.fork()"])
def test_processes_left_behind_are_ended(leave, tmp_path):
    code = f"""
        import os, pathlib, subprocess, sys, time
        parent, sleep = os.getpid(), "import time; time.sleep(60)"
        child = {leave}
        if os.getpid() != parent:
            time.sleep(60)
        number = child if isinstance(child, int) else child.pid
        pathlib.Path({str(tmp_path / "child")!r}).write_text(str(number))
        def double(x):
            return 2 * x
    """
    assert graded(tmp_path, dedent(code), exercises=["double"])
    assert not runs(int((tmp_path / "child").read_text()))


def runs(number):
    """Whether a process lives still, a moment after it was killed; one that nobody has waited for does not."""
    for _ in range(100):
        try:
            os.kill(number, 0)
            if Path(f"/proc/{number}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z":
                return False
        except ProcessLookupError:
            return False
        except OSError:
            pass
        time.sleep(0.05)
    return True


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
def test_a_process_that_left_the_group_does_not_hold_the_grader_up(tmp_path):
    code = """
        import subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(6)"], start_new_session=True)
        def double(x):
            return 2 * x
    """
    assert graded(tmp_path, dedent(code), exercises=["double"])


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_process_that_stops_its_own_clock_is_killed(tmp_path):
    """The worker watches its own time; the grader watches the worker."""
    code = "import os, signal\ndef double(x):\n    os.kill(os.getpid(), signal.SIGSTOP)"
    (function,) = graded(tmp_path, code, exercises=["double"], limits=Limits(0.2, 512)).exercises[0].functions
    assert function.failure == "timeout"


def test_several_functions_of_an_exercise_are_told_apart(tmp_path):
    """The one that ended the process is left out, and the others are judged."""
    teacher = """
        import numpy as np
        from tinygrad_cnn.verify import Check, Report
        from tinygrad_cnn.verify.grading import Exercise

        def check(functions):
            return Report("three", [Check.compare(name, 1, function()) for name, function in functions.items()])

        EXERCISE = Exercise("three", "three ones", "Return 1.", {"a": "", "b": "", "c": ""}, check)
    """
    own = homework.write(tmp_path, dedent(teacher), "teacher.py")
    ends = {
        "os._exit(0)": ["right", "exit", "right"],  # says where it was
        "os.kill(os.getpid(), 9)": ["right", "killed", "right"],  # does not
        "exit()": ["right", "exit", "right"],
        "return 2": ["right", None, "right"],
    }
    for end, expected in ends.items():
        code = f"import os\ndef a(): return 1\ndef b(): {end}\ndef c(): return 1\n"
        (exercise,) = homework.grade(homework.write(tmp_path, code), (), homework.SHORT, own).exercises
        assert ["right" if f.passed else f.failure for f in exercise.functions] == expected
        assert (exercise.score, exercise.max_score) == (2, 3)
